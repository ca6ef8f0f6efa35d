"""An API that refuses too much: the run stops in the middle, and whatever a person decides, nothing is there twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.testing.http_server import serve
from orders_api import OrdersApi
from workshop import Workshop

ORDERS = 20
BAD = frozenset({3, 5, 7, 9, 11})
SENT = 8
"""The third refusal, of order 7, is one too many."""
AGAIN = {
    "idempotency": "idempotency: {header: Idempotency-Key}",
    "upsert": "external_id: number",
}


class Held:
    """A shop whose run is held in the middle of its delivery."""

    def __init__(self, folder: Path, url: str, how: str, api: OrdersApi) -> None:
        self.api, self.how = api, how
        self.shop = Workshop(folder)
        self.shop.connections["api"] = f"{url}?allow_private=true"
        lines = "".join(f"{number},{number}.50\n" for number in range(ORDERS))
        (folder / "inbox" / "orders.csv").write_text("number,amount\n" + lines)
        self.write()
        report = self.shop.report("orders", expect=1)
        self.run_id = report["run_id"]
        assert (report["state"], report["read"], report["delivered"], report["rejected"]) == ("held", ORDERS, 5, 3)
        assert api.posts == SENT

    def write(self, number: str = "number", more: str = "") -> None:
        """The integration, with another number or more fields."""
        self.shop.integration(
            "orders",
            f"""
integration: orders
source: {{connector: files, connection: inbox, path: orders.csv}}
translate: {{fields: {{number: {{from: "{number}", type: integer}}, amount: amount{more}}}}}
deliver: {{connector: http, connection: api, path: /orders, {AGAIN[self.how]}}}
policy: {{max_rejects: {{count: 2}}}}
""",
        )

    def decide(self, word: str) -> tuple[int, str]:
        done = self.shop.run(word, self.run_id)
        return done.returncode, done.stdout + done.stderr

    def gone_on(self, word: str) -> dict[str, Any]:
        """The report of the run that went on by a decision."""
        done = self.shop.run(word, self.run_id, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report


@pytest.fixture
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Held]:
    api = OrdersApi(request.param, bad=BAD)
    with serve(api) as server:
        yield Held(tmp_path, server.url, request.param, api)


both = pytest.mark.parametrize("held", ["idempotency", "upsert"], indirect=True)
appends = pytest.mark.parametrize("held", ["idempotency"], indirect=True)
upserts = pytest.mark.parametrize("held", ["upsert"], indirect=True)


@both
def test_while_it_is_held_nothing_is_sent(held: Held) -> None:
    again = held.shop.run("run", "orders")
    assert again.returncode == 1
    assert "run.held" in again.stderr
    assert "dragoman replay" in again.stderr
    assert held.api.posts == SENT
    listed = json.loads(held.shop.run("rejects", "orders", "--json").stdout)
    assert [json.loads(one["original"])["number"] for one in listed] == ["3", "5", "7"]
    assert "order 7 has no quantity" in listed[2]["answer"]


@both
def test_accepted_it_delivers_the_rest_and_nothing_twice(held: Held) -> None:
    report = held.gone_on("accept")
    assert (report["run_id"], report["state"]) == (held.run_id, "done")
    assert (report["read"], report["delivered"], report["rejected"]) == (ORDERS, ORDERS - len(BAD), len(BAD))
    assert held.api.numbers == [number for number in range(ORDERS) if number not in BAD]
    assert held.api.posts == ORDERS


@appends
@pytest.mark.parametrize("word", ["resume", "abandon"])
def test_what_would_double_is_refused(held: Held, word: str) -> None:
    held.write(more=", quantity: {from: '1', type: integer}")
    code, said = held.decide(word)
    assert code == 1
    assert "run.partly_delivered" in said
    assert f"dragoman accept {held.run_id}" in said
    assert held.api.posts == SENT


@upserts
def test_resumed_with_a_corrected_mapping_it_ends_as_if_that_had_been_right_from_the_start(held: Held) -> None:
    held.write(more=", quantity: {from: '1', type: integer}")
    report = held.gone_on("resume")
    assert (report["run_id"], report["state"], report["delivered"]) == (held.run_id, "done", ORDERS)
    assert held.api.numbers == list(range(ORDERS))
    assert {order["quantity"] for order in held.api.orders} == {1}
    assert json.loads(held.shop.run("rejects", "orders", "--json").stdout) == []


@upserts
def test_a_mapping_that_would_leave_something_behind_is_refused(held: Held) -> None:
    held.write(number="number::INTEGER + 100", more=", quantity: {from: '1', type: integer}")
    code, said = held.decide("resume")
    assert code == 1
    assert "5 outputs that 'deliver' has delivered would stay behind, such as number=0" in said
    assert held.api.posts == SENT


@upserts
def test_given_up_it_is_read_again(held: Held) -> None:
    assert held.decide("abandon")[0] == 0
    held.write(more=", quantity: {from: '1', type: integer}")
    report = held.shop.report("orders")
    assert (report["state"], report["delivered"]) == ("done", ORDERS)
    assert report["run_id"] != held.run_id
    assert held.api.numbers == list(range(ORDERS))


def test_outputs_without_a_key_are_judged_before_the_first_request(tmp_path: Path) -> None:
    api = OrdersApi("upsert")
    with serve(api) as server:
        shop = Workshop(tmp_path)
        shop.connections["api"] = f"{server.url}?allow_private=true"
        lines = "".join(f"{number if number % 3 else ''},1.50\n" for number in range(ORDERS))
        (tmp_path / "inbox" / "orders.csv").write_text("number,amount\n" + lines)
        shop.integration(
            "orders",
            """
integration: orders
source: {connector: files, connection: inbox, path: orders.csv}
translate: {fields: {number: {from: "CAST(number AS BIGINT)", type: integer}, amount: amount}}
deliver: {connector: http, connection: api, path: /orders, external_id: number, mode: upsert, key: [number]}
policy: {max_rejects: {count: 2}}
""",
        )
        report = shop.report("orders", expect=1)
        assert (report["state"], report["rejected"]) == ("held", 7)
        assert api.posts == 0
        listed = json.loads(shop.run("rejects", "orders", "--json").stdout)
        assert {one["code"] for one in listed} == {"key.null"}
        done = shop.run("accept", report["run_id"], "--json")
        assert json.loads(done.stdout)["delivered"] == api.posts == ORDERS - 7
