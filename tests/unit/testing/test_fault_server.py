"""The API with faults does each wrong that it promises, and its record says what it has really applied."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from dragoman.testing.checker import record_rows
from dragoman.testing.fault_server import FaultApi, fault_server
from dragoman.testing.fault_target import Abilities, Target
from dragoman.testing.faults import LIST_FAULTS, TARGET_FAULTS, Rule
from dragoman.testing.http_server import Request

FOUR = [{"id": at, "name": f"n{at}"} for at in range(4)]


@pytest.fixture(scope="module")
def api(tmp_path_factory) -> Iterator[FaultApi]:
    record = tmp_path_factory.mktemp("api") / "applied.ndjson"
    with fault_server(idempotency="Idempotency-Key", search="id", record=record) as running:
        yield running


def send(api: FaultApi, items, path: str, patience: float = 10, **headers: str) -> httpx.Response | str:
    """The answer, or the name of the error that the client saw."""
    try:
        return httpx.post(f"{api.url}/{path}", json=items, headers=headers, timeout=patience, trust_env=False)
    except httpx.HTTPError as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("fault", "seen", "applied"),
    [
        ("before_503", 503, 0),
        ("before_reset", "ReadError", 0),
        ("rate_429", 429, 0),
        ("auth_401", 401, 0),
        ("in_flight_409", 409, 0),
        ("size_413", 413, 0),
        ("poison_400", 400, 0),
        ("error_200", 200, 0),
        ("atomic_group", 207, 0),
        ("partial_207", 207, 3),
        ("partial_200", 200, 3),
        ("half_500", 500, 2),
        ("applied_500", 500, 4),
        ("applied_503", 503, 4),
        ("applied_timeout", "ReadTimeout", 4),
        ("applied_reset", "ReadError", 4),
        ("truncated_answer", "RemoteProtocolError", 4),
        ("garbage_answer", 200, 4),
        ("empty_answer", 200, 4),
        ("missing_parts", 200, 4),
        ("shuffled_results", 200, 4),
        ("slow", 200, 4),
        ("search_503", 200, 4),
    ],
)
def test_each_fault_of_sending(api: FaultApi, fault: str, seen: int | str, applied: int) -> None:
    of_items = fault in {"poison_400", "atomic_group", "partial_207", "partial_200"}
    api.rules(Rule(fault, nth=2, field="id", values=[2] if of_items else (), size=3, wait=0.1))
    path = f"c_{fault}"
    first = send(api, [{"id": 2, "name": "first"}], path) if of_items else send(api, FOUR, path)
    if fault == "size_413":
        assert first.status_code == 200
    assert first.status_code in {200, 201}
    before = len(api.rows(path))
    got = send(api, FOUR, path, 0.5 if fault == "applied_timeout" else 10)
    assert (got if isinstance(got, str) else got.status_code) == seen
    assert len(api.rows(path)) - before == applied
    assert len(record_rows(api.record, path)) - before == applied
    api.rules()
    assert send(api, FOUR, path).status_code == 200


def test_the_table_above_knows_every_fault_of_sending() -> None:
    mark = next(mark for mark in test_each_fault_of_sending.pytestmark if mark.name == "parametrize")
    assert {row[0] for row in mark.args[1]} == set(TARGET_FAULTS)


def test_results_name_their_items(api: FaultApi) -> None:
    api.rules(Rule("partial_207", values=[1]))
    results = send(api, FOUR, "named").json()["results"]
    assert [(one["id"], one["status"]) for one in results] == [(0, "ok"), (1, "failed"), (2, "ok"), (3, "ok")]
    api.rules(Rule("shuffled_results"), Rule("missing_parts", nth=2))
    assert [one["id"] for one in send(api, FOUR, "named").json()["results"]] == [3, 2, 1, 0]
    assert [one["id"] for one in send(api, FOUR, "named").json()["results"]] == [0, 1]
    api.rules(Rule("atomic_group", values=[1]))
    assert {one["status"] for one in send(api, FOUR, "named").json()["results"]} == {"failed"}


def test_a_key_makes_a_request_count_once(api: FaultApi) -> None:
    key = {"Idempotency-Key": "k1"}
    api.rules(Rule("applied_reset"))
    assert send(api, FOUR, "keyed", **key) == "ReadError"
    again = send(api, FOUR, "keyed", **key)
    assert (again.status_code, len(api.rows("keyed"))) == (200, 4)
    assert send(api, FOUR[:1], "keyed", **key).status_code == 422
    assert send(api, FOUR, "keyed", **{"Idempotency-Key": "k2"}).status_code == 200
    assert len(api.rows("keyed")) == 8


def test_an_external_id_upserts_and_items_can_be_deleted() -> None:
    target = Target(Abilities(external_id="id"))

    def call(method: str, path: str, document=None):
        body = b"" if document is None else json.dumps(document).encode()
        return target.answer(Request(method, path, path, {}, {}, body))

    assert call("POST", "/orders", {"id": 1, "name": "a"}).status == 201
    call("POST", "/orders", {"orders": [{"id": 1, "name": "b"}, {"id": 2, "name": "c"}]})
    call("PUT", "/orders/3", {"name": "d"})
    assert target.rows("orders") == [{"id": 1, "name": "b"}, {"id": 2, "name": "c"}, {"name": "d"}]
    assert json.loads(call("GET", "/orders/3").body) == {"name": "d", "remote_id": "3"}
    assert call("DELETE", "/orders/3").status == 204
    assert call("DELETE", "/orders/3").status == 404
    assert call("GET", "/orders/3").status == 404
    assert [done["do"] for done in target.applied] == ["put"] * 4 + ["delete"]


def test_a_search_finds_what_was_applied_after_its_lag(api: FaultApi) -> None:
    api.rules()
    send(api, FOUR[:1], "looked")
    found = httpx.get(f"{api.url}/looked", params={"id": 0}, trust_env=False).json()["data"]
    assert [one["name"] for one in found] == ["n0"]
    assert httpx.get(f"{api.url}/looked", params={"id": 9}, trust_env=False).json() == {"data": []}
    api.rules(Rule("search_503"))
    assert httpx.get(f"{api.url}/looked", params={"id": 0}, trust_env=False).status_code == 503
    with fault_server(search="id", lag=60) as late:
        send(late, FOUR[:1], "looked")
        assert httpx.get(f"{late.url}/looked", params={"id": 0}, trust_env=False).json() == {"data": []}


def pages(api: FaultApi, paging: str, size: int = 4) -> list[dict]:
    """All pages, read by a naive client."""
    got, at, url = [], 0, f"{api.url}/lists/orders/{paging}"
    params = {"limit": str(size)}
    while True:
        params = params and params | {"offset": {"offset": str(at)}, "page": {"page": str(at // size + 1)}}.get(
            paging, {}
        )
        page = httpx.get(url, params=params, timeout=10, trust_env=False).json()
        got.append(page)
        at += len(page["data"])
        if not page["meta"]["next"]:
            return got
        if paging == "cursor":
            params["after"] = page["meta"]["next"]
        if paging == "next_link":
            url, params = page["meta"]["next"], None


@pytest.mark.parametrize("paging", ["offset", "page", "cursor", "next_link"])
def test_a_list_is_paged_in_four_ways(api: FaultApi, paging: str) -> None:
    api.rules()
    records = [{"id": at, "updated_at": f"2024-01-0{at % 9 + 1}"} for at in range(10)]
    api.list("orders", records)
    got = pages(api, paging)
    assert [record for page in got for record in page["data"]] == records
    assert [page["meta"]["total"] for page in got] == [10, 10, 10]
    late = httpx.get(f"{api.url}/lists/orders/offset?updated_since=2024-01-09", trust_env=False).json()
    assert [record["id"] for record in late["data"]] == [8]


@pytest.mark.parametrize("fault", LIST_FAULTS)
def test_each_fault_of_reading_is_not_the_honest_page(api: FaultApi, fault: str) -> None:
    records = [{"id": at} for at in range(20)]
    api.rules()
    api.list("orders", records)
    url = f"{api.url}/lists/orders/next_link?limit=8&after=8"
    honest = httpx.get(url, trust_env=False).json()
    api.rules(Rule(fault, nth=2, size=3, wait=0.2))
    assert httpx.get(url, trust_env=False).json() == honest
    try:
        answer = httpx.get(url, timeout=0.1 if fault in {"s_hang", "s_slow"} else 10, trust_env=False)
    except httpx.HTTPError as error:
        assert fault in {"s_hang", "s_reset", "s_trunc", "s_trunc_gz", "s_slow"}, error
        return
    try:
        assert answer.status_code != 200 or answer.json() != honest
    except ValueError:
        assert fault in {"s_badjson", "s_html200", "s_trunc_gz"}


def test_what_it_is_told_wrongly_is_refused(api: FaultApi) -> None:
    told = httpx.put(f"{api.url}/-/rules", json=[{"fault": "explode"}], trust_env=False)
    assert told.status_code == 400
    assert "applied_500" in told.json()["error"]
    assert httpx.put(f"{api.url}/-/rules", json=[{"fault": "slow", "x": 1}], trust_env=False).status_code == 400
    assert httpx.get(f"{api.url}/lists/none/offset", trust_env=False).status_code == 404
    assert httpx.get(f"{api.url}/-/nothing", trust_env=False).status_code == 404
    assert set(httpx.get(f"{api.url}/-/faults", trust_env=False).json()) == {*TARGET_FAULTS, *LIST_FAULTS}
    assert httpx.post(f"{api.url}/orders", content=b"{", trust_env=False).status_code == 400
    assert any(one["target"] == "/orders" for one in api.requests())
    assert isinstance(api.applied(), list)
