"""Replays to an API: the same content has the same key, what is corrected another; doubts only on demand; kills."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from dragoman.testing.http_server import Server, serve
from orders_api import LOST, OK, OrdersApi
from workshop import Workshop

ORDERS = 8
HOW = {
    "idempotency": "idempotency: {header: Idempotency-Key}",
    "upsert": "external_id: number, mode: upsert, key: [number]",
    "none": "timeout: 30s",
}


class Shop(Workshop):
    """Eight orders for an API."""

    def open(self, url: str, how: str) -> None:
        self.connections["api"] = f"{url}?allow_private=true"
        self.how = how
        lines = "".join(f"{number},{number}.50\n" for number in range(ORDERS))
        (self.folder / "inbox" / "orders.csv").write_text("number,amount\n" + lines)
        self.write()

    def write(self, more: str = "") -> None:
        self.integration(
            "orders",
            f"""
integration: orders
source: {{connector: files, connection: inbox, path: orders.csv}}
translate: {{fields: {{number: {{from: number, type: integer}}, amount: amount{more}}}}}
deliver: {{connector: http, connection: api, path: /orders, {HOW[self.how]}}}
""",
        )

    def do(self, *words: str, expect: int = 0) -> Any:
        done = self.run(*words, "--json")
        assert done.returncode == expect, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)


def keys_of(server: Server, number: int) -> list[str]:
    """The idempotency keys with which an order was sent, each time."""
    return [one.headers["idempotency-key"] for one in server.requests if one.json["number"] == number]


@pytest.mark.parametrize("how", ["idempotency", "upsert"])
def test_the_same_content_has_the_same_key_and_a_corrected_one_another(how: str, tmp_path: Path) -> None:
    api = OrdersApi(how, bad=frozenset({3, 5}))
    with serve(api) as server:
        shop = Shop(tmp_path)
        shop.open(server.url, how)
        report = shop.report("orders")
        assert (report["delivered"], report["rejected"]) == (ORDERS - 2, 2)
        sent = api.posts
        assert shop.do("replay", "orders", "--all", expect=1)["rejected"] == 2
        assert api.posts == sent + 2
        if how == "idempotency":
            first, second = keys_of(server, 3)
            assert first == second
        shop.write(", quantity: {from: \"'1'\", type: integer}")
        assert shop.do("replay", "orders", "--all")["delivered"] == 2
        if how == "idempotency":
            assert len(set(keys_of(server, 3))) == 2
        assert api.numbers == list(range(ORDERS))
        assert shop.do("rejects", "orders") == []
        assert shop.report("orders")["state"] == "nothing_new"


def test_doubts_are_replayed_on_demand_alone_and_settled_by_a_person(tmp_path: Path) -> None:
    api = OrdersApi(fault=lambda nth: LOST if nth in {3, 5} else OK)
    with serve(api) as server:
        shop = Shop(tmp_path)
        shop.open(server.url, "none")
        report = shop.report("orders", expect=1)
        assert (report["state"], report["in_doubt"]) == ("in_doubt", 2)
        two, four = shop.do("rejects", "orders")
        assert {two["state"], four["state"]} == {"in_doubt"}
        left = shop.do("replay", "orders", "--all")
        assert (left["chosen"], left["in_doubt_left_out"]) == (0, 2)
        named = shop.do("replay", "orders", "--reject", str(two["id"]), expect=1)
        assert [one["code"] for one in named["refused"]] == ["replay.in_doubt"]
        refused = shop.do("dismiss", "orders", "--reject", str(two["id"]), "--reason", "no", expect=2)
        assert refused["error"] == "reject.wrong_state"
        assert api.posts == ORDERS

        shop.do("settle", "orders", "--reject", str(two["id"]), "--delivered")
        api.orders = [one for one in api.orders if one["number"] != 4]
        shop.do("settle", "orders", "--reject", str(four["id"]), "--not-delivered")
        assert shop.do("replay", "orders", "--all")["delivered"] == 1
        assert api.numbers == list(range(ORDERS))
        assert [one["state"] for one in shop.do("rejects", "orders", "--all")] == ["delivered", "replayed"]


def test_on_demand_doubts_are_sent_again(tmp_path: Path) -> None:
    api = OrdersApi(fault=lambda nth: LOST if nth in {3, 9} else OK)
    with serve(api) as server:
        shop = Shop(tmp_path)
        shop.open(server.url, "none")
        shop.report("orders", expect=1)
        again = shop.do("replay", "orders", "--in-doubt", expect=1)
        assert (again["state"], again["in_doubt"]) == ("in_doubt", 1)
        assert [one["state"] for one in shop.do("rejects", "orders", "--all")] == ["replayed", "in_doubt"]
        assert shop.do("replay", "orders", "--in-doubt")["delivered"] == 1
        assert api.doubled == [2]
        assert shop.do("rejects", "orders") == []


@pytest.mark.parametrize(
    "point",
    ["deliver.intent.recorded", "deliver.request.answered", "deliver.outcomes.recorded", "deliver.batch.settled"],
)
@pytest.mark.parametrize("how", ["idempotency", "upsert"])
def test_a_killed_replay_to_an_api(how: str, point: str, tmp_path: Path) -> None:
    bad = frozenset({1, 3, 5, 7})
    api = OrdersApi(how, bad=bad)
    with serve(api) as server:
        shop = Shop(tmp_path)
        shop.open(server.url, how)
        assert shop.report("orders")["rejected"] == len(bad)
        shop.write(", quantity: {from: \"'1'\", type: integer}")
        nth = 1 if point == "deliver.batch.settled" else 2
        killed = shop.run("replay", "orders", "--all", failpoint=f"{point}:{nth}:kill")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        report = shop.report("orders")
        assert [(one["kind"], one["delivered"], one["balanced"]) for one in report["recovered"]] == [
            ("replay", len(bad), True)
        ]
        assert api.numbers == list(range(ORDERS))
        assert shop.do("rejects", "orders") == []
