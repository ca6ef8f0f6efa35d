"""The destination as the steps use it: requests, keys, placeholders, looking up, removing."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from dragoman.connectors.http.destination import HttpDestination, open_destination
from dragoman.core import clock
from dragoman.core.connection import parse_connection
from dragoman.core.errors import ConfigError, FatalError, RetriableError
from dragoman.core.items import Item
from dragoman.testing.http_server import Answer, Request, serve
from http_answers import items, letters


@pytest.fixture
def open_at() -> Iterator[Callable[..., HttpDestination]]:
    opened: list[HttpDestination] = []

    def at(
        url: str = "https://api.example.com/v1", extra: str = "allow_private=true", **options: Any
    ) -> HttpDestination:
        given = {"path": "/orders", "timeout": 5.0, **options}
        opened.append(open_destination(parse_connection("shop", f"{url}?{extra}"), given))
        return opened[-1]

    yield at
    for each in opened:
        each.close()


def item(row: int = 0, **values: Any) -> Item:
    return Item(row, f"id={row}", f"{row:032x}", values, json.dumps(values, default=str).encode())


def accepting(_request: Request) -> Answer:
    return Answer.of({"id": 1}, 201)


# how items go into requests


@pytest.mark.parametrize(
    ("batch", "sizes"),
    [
        (None, [1, 1, 1, 1, 1]),
        ({"size": 1}, [1, 1, 1, 1, 1]),
        ({"size": 2}, [2, 2, 1]),
        ({"size": 100}, [5]),
        ({"size": 100, "bytes": 60}, [2, 2, 1]),
        ({"size": 100, "bytes": 5}, [1, 1, 1, 1, 1]),
    ],
)
def test_items_go_into_requests_by_number_and_by_size(open_at, batch, sizes):
    destination = open_at(batch=batch) if batch else open_at()
    requests = list(destination.requests(items(5)))
    assert [len(request) for request in requests] == sizes
    assert [one.row for request in requests for one in request] == [0, 1, 2, 3, 4]
    assert list(destination.requests([])) == []


@pytest.mark.parametrize(
    ("batch", "body"),
    [
        (None, b'{"a": 1}'),
        ({"size": 1}, b'{"a": 1}'),
        ({"size": 5}, b'[{"a": 1}]'),
        ({"size": 1, "envelope": "orders"}, b'{"orders":[{"a": 1}]}'),
        ({"size": 5, "envelope": 'data."x"'}, b'{"data":{"\\"x\\"":[{"a": 1}]}}'),
    ],
)
def test_the_body_of_a_request(open_at, batch, body):
    with serve(accepting) as server:
        destination = open_at(server.url, **({"batch": batch} if batch else {}))
        destination.send([item(a=1)])
    assert server.requests[0].body == body
    json.loads(body)


def test_numbers_go_as_they_are_written(open_at):
    made = Item(0, "k", "0" * 32, {}, b'{"amount":12345678901234567890.10,"text":"\xc3\xa4"}')
    with serve(accepting) as server:
        open_at(server.url, batch={"size": 2}).send([made, made])
    assert server.requests[0].body == b"[" + made.body + b"," + made.body + b"]"


def test_method_headers_and_params(open_at):
    with serve(accepting) as server:
        destination = open_at(server.url, method="PATCH", headers={"X-Shop": 7}, params={"notify": False, "q": "a b"})
        destination.send(items(1))
    request = server.requests[0]
    assert (request.method, request.target, request.headers["x-shop"]) == ("PATCH", "/orders?notify=false&q=a%20b", "7")


# keys


def test_the_key_of_a_request_is_that_of_its_item_or_of_all_its_items(open_at):
    with serve(accepting) as server:
        destination = open_at(server.url, batch={"size": 3}, idempotency={"header": "Idempotency-Key", "keeps": 60.0})
        one, two, three = items(3)
        for request in ([one], [one, two], [one, two], [two, one], [one, two, three]):
            destination.send(request)
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert keys[0] == one.token
    assert keys[1] == keys[2]
    assert len(set(keys)) == 4
    assert all(len(key) == 32 for key in keys)


KEYS = {"idempotency": {"header": "Idempotency-Key", "keeps": 100.0}}
BACK = {"read_back": {"path": "/orders/{id}"}}


@pytest.mark.parametrize(
    ("options", "at_once", "later", "in_part"),
    [
        ({}, "none", "none", "none"),
        (KEYS, "idempotency", "none", "none"),
        ({"external_id": "id"}, "upsert", "upsert", "upsert"),
        (BACK, "read_back", "read_back", "read_back"),
        ({"path": "/orders/{id}", "method": "PUT"}, "upsert", "upsert", "upsert"),
        ({"path": "/orders/{id}", "method": "PATCH"}, "none", "none", "none"),
        ({"method": "PUT"}, "none", "none", "none"),
        (KEYS | BACK, "idempotency", "read_back", "read_back"),
        (KEYS | {"external_id": "id"}, "idempotency", "upsert", "upsert"),
        ({"external_id": "id"} | BACK, "upsert", "upsert", "upsert"),
    ],
)
def test_what_an_unknown_outcome_is_settled_by(open_at, options, at_once, later, in_part):
    destination = open_at(**options)
    assert destination.resolution == at_once
    assert destination.resolution_after(99.9) == at_once
    assert destination.resolution_after(100.1) == later
    assert destination.resolution_after(1.0, whole=False) == in_part


# an item's own path


@pytest.mark.parametrize(
    ("value", "target"),
    [
        (5, "/v1/orders/5/lines"),
        ("a b", "/v1/orders/a%20b/lines"),
        ("a/b?c#d", "/v1/orders/a%2Fb%3Fc%23d/lines"),
        ("50%", "/v1/orders/50%25/lines"),
        ("ä", "/v1/orders/%C3%A4/lines"),
        (True, "/v1/orders/true/lines"),
        (Decimal("1E+2"), "/v1/orders/100/lines"),
        (datetime.date(2026, 1, 31), "/v1/orders/2026-01-31/lines"),
    ],
)
def test_values_are_percent_encoded_into_the_path(open_at, value, target):
    with serve(accepting) as server:
        destination = open_at(server.url + "/v1", path="/orders/{number}/lines", method="PUT")
        assert letters(destination.send([item(number=value)])) == "D"
    assert server.requests[0].target == target


@pytest.mark.parametrize(
    "value", [None, "", " ", ".", "..", "../admin", "a/../../b", "a\\b", "a\nb", "a\x00b", "x" * 1001, b"x", ["x"]]
)
def test_a_value_that_cannot_stand_in_the_path_refuses_its_item_unsent(open_at, value):
    with serve(accepting) as server:
        destination = open_at(server.url, path="/orders/{number}")
        requests = list(destination.requests([item(number="a"), item(1, number=value)]))
        answered = [destination.send(request) for request in requests]
        assert [letters(each) for each in answered] == ["D", "R"]
        bad = answered[1].outcomes[0]
        assert (bad.code, bad.field) == ("http.value", "number")
        assert len(server.requests) == 1


def test_a_missing_external_id_refuses_its_item_alone(open_at):
    with serve(accepting) as server:
        destination = open_at(server.url, batch={"size": 10}, external_id="number")
        made = [item(0, number="a"), item(1, number=None), item(2, number="c"), item(3, number="d")]
        requests = list(destination.requests(made))
        assert [[one.row for one in request] for request in requests] == [[0], [1], [2, 3]]
        assert letters(destination.send(requests[1])) == "R"
        assert server.requests == []


@pytest.mark.parametrize(
    "options",
    [{"path": "/o/{nr}"}, {"external_id": "nr"}, {"read_back": {"path": "/o", "key": {"column": "nr"}}}],
)
def test_a_column_that_is_not_delivered_stops_before_anything_is_sent(open_at, options):
    destination = open_at(**options)
    with pytest.raises(FatalError) as caught:
        destination.send([item(number=1)])
    assert caught.value.code == "http.column"
    assert "'nr'" in caught.value.message
    assert "number" in caught.value.message


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"path": "https://elsewhere.example/x"}, "http.path"),
        ({"path": "/a?b=1"}, "http.path"),
        ({"path": "/../x"}, "http.path"),
        ({"path": "/{a"}, "http.path"),
        ({"path": "/{}"}, "http.path"),
        ({"path": "/{a}", "batch": {"size": 5}}, "http.batch"),
        ({"headers": {"Authorization": "x"}}, "http.secret_header"),
        ({"headers": {"X": "a\r\nB: c"}}, "http.header"),
        ({"headers": {"Content-Length": 5}}, "http.header"),
        ({"idempotency": {"header": "Bad Name"}}, "http.header"),
        ({"idempotency": {"header": "host"}}, "http.header"),
        ({"idempotency": {"header": "x-api-key"}}, "http.header"),
        ({"headers": {"X-Key": "1"}, "idempotency": {"header": "x-key"}}, "http.header"),
        ({"params": {"a": {"b": 1}}}, "http.params"),
        ({"read_back": {"path": "/x"}}, "http.read_back"),
        ({"read_back": {"path": "/../{id}"}}, "http.path"),
        ({"result": {"ok": ["x"]}}, "http.result"),
    ],
)
def test_options_that_cannot_be_used_are_told_before_anything_is_sent(open_at, options, code):
    with pytest.raises(ConfigError) as caught:
        open_at(extra="api_key=secret", **options)
    assert caught.value.code == code
    assert caught.value.next_step


# looking up


def shop(there: dict[str, Any]) -> Callable[[Request], Answer]:
    """Orders by number; a search that filters by ``number``."""

    def handler(request: Request) -> Answer:
        if request.path.startswith("/orders/"):
            found = there.get(request.path.removeprefix("/orders/"))
            return Answer.of(found) if found is not None else Answer.of({"error": "not found"}, 404)
        wanted = request.params.get("number")
        return Answer.of({"data": [each for each in there.values() if str(each["number"]) == wanted]})

    return handler


BY_PATH = {"read_back": {"path": "/orders/{number}"}}
BY_SEARCH = {"read_back": {"path": "/orders", "key": {"column": "number"}, "records": "data"}}


@pytest.mark.parametrize("options", [BY_PATH, BY_SEARCH], ids=["path", "search"])
def test_what_is_there_is_found_and_what_is_not_is_absent(open_at, options):
    with serve(shop({"7": {"id": "x7", "number": 7}})) as server:
        destination = open_at(server.url, **options)
        found = destination.look_up(item(number=7))
        assert found is not None
        assert (found.state, found.remote_id, found.code) == ("delivered", "x7", "")
        assert destination.look_up(item(number=8)) is None
        assert {request.method for request in server.requests} == {"GET"}


def looked_up(open_at: Any, answer: Answer, **read_back: Any) -> Any:
    option = {"path": "/orders", "key": {"column": "number"}, **read_back}
    with serve(lambda _request: answer) as server:
        return open_at(server.url, read_back=option).look_up(item(number=7))


def test_a_search_that_does_not_filter_proves_nothing(open_at):
    with pytest.raises(FatalError) as caught:
        looked_up(open_at, Answer.of([{"number": 1}, {"number": 2}]))
    assert caught.value.code == "http.read_back"
    assert looked_up(open_at, Answer.of([{"number": 1}, {"number": "7", "id": 3}])).remote_id == "3"


def test_several_of_an_item_are_told(open_at):
    found = looked_up(open_at, Answer.of([{"number": 7, "id": 1}, {"number": 7, "id": 2}]))
    assert (found.state, found.code, found.remote_id) == ("delivered", "http.duplicate", "1")
    assert "2 of this item" in found.message


@pytest.mark.parametrize(
    "answer",
    [
        Answer.of({"error": "no"}),
        Answer.of({"data": []}),
        Answer.of([{"id": 1}]),
        Answer.of(["x"]),
        Answer.of({"number": 7}),
        Answer.of(None),
        Answer.of({"error": "no"}, 404),
        Answer.of({"error": "no"}, 403),
    ],
)
def test_an_absence_is_only_believed_where_it_is_plain(open_at, answer):
    with pytest.raises(FatalError):
        looked_up(open_at, answer)


@pytest.mark.parametrize("body", [b"", b"<html>", b'[{"number": 7}', b"NaN"])
def test_an_answer_that_cannot_be_read_is_asked_for_again(open_at, body):
    with pytest.raises(RetriableError) as caught:
        looked_up(open_at, Answer(body))
    assert caught.value.code == "http.read_back"


def test_a_search_by_other_names(open_at):
    def handler(request: Request) -> Answer:
        assert request.params == {"q": "7", "limit": "5"}
        return Answer.of({"hits": {"list": [{"ref": {"ext": "7"}, "key": "K"}]}})

    option = {
        "path": "/search",
        "key": {"column": "number", "field": "ref.ext"},
        "param": "q",
        "params": {"limit": "5"},
        "records": "hits.list",
        "id": "key",
    }
    with serve(handler) as server:
        assert open_at(server.url, read_back=option).look_up(item(number=7)).remote_id == "K"


def test_an_error_dressed_as_a_record_is_no_record(open_at):
    with serve(lambda _request: Answer.of({"error": "not found"})) as server:
        destination = open_at(server.url, **BY_PATH)
        with pytest.raises(FatalError):
            destination.look_up(item(number=7))


def test_a_search_that_lags_is_waited_for(open_at, monkeypatch):
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    monkeypatch.setattr(clock, "sleep", sleep)
    there: dict[str, Any] = {}

    def handler(request: Request) -> Answer:
        if request.method == "POST":
            return Answer.of("oops", 500)
        return shop(there if now[0] >= 8.0 else {})(request)

    with serve(handler) as server:
        destination = open_at(server.url, read_back={**BY_SEARCH["read_back"], "settle": 5.0}, timeout=60.0)
        now[0] = 4.0
        sent, other = item(number=7), item(1, number=8)
        assert letters(destination.send([sent])) == "U"
        there["7"] = {"number": 7}
        now[0] = 6.0
        assert destination.look_up(sent) is not None, "found once the search has caught up"
        assert slept == [3.0]
        assert destination.look_up(other) is None
        assert slept == [3.0], "one of an earlier process was sent before this one began"


# removing


def test_what_is_removed_or_gone_already_is_done(open_at):
    answers = {"1": Answer(status=204), "2": Answer.of({}, 404), "3": Answer.of({}, 410), "4": Answer.of({}, 409)}
    with serve(lambda request: answers[request.path.rpartition("/")[2]]) as server:
        destination = open_at(server.url, delete={"path": "/orders/{number}", "method": "DELETE"})
        done = destination.erase([item(row, number=row) for row in (1, 2, 3, 4)])
    assert letters(done) == "DDDR"
    assert [(request.method, request.body) for request in server.requests] == [("DELETE", b"")] * 4


def test_what_follows_a_failure_is_left_for_the_next_try(open_at):
    def handler(request: Request) -> Answer:
        return Answer(status=204) if request.path.endswith("1") else Answer.of({}, 429, Retry_After="5")

    with serve(handler) as server:
        destination = open_at(server.url, path="/orders/{number}")
        done = destination.erase([item(row, number=row) for row in (1, 2, 3)])
        assert (letters(done), done.wait) == ("DAA", 5.0)
        with pytest.raises(RetriableError):
            destination.erase([item(2, number=2)])


def test_a_removal_needs_the_path_of_one_item(open_at):
    with pytest.raises(FatalError) as caught:
        open_at().erase([item(number=1)])
    assert caught.value.code == "http.no_delete"
    with pytest.raises(FatalError) as caught:
        open_at(delete={"path": "/orders/{nr}"}).erase([item(number=1)])
    assert caught.value.code == "http.column"
    with serve(lambda _request: Answer(status=204)) as server:
        destination = open_at(server.url, external_id="ext", delete={"path": "/orders/{number}"}, batch={"size": 2})
        [request] = destination.requests([item(number=1)])
        assert letters(destination.erase(request)) == "D"


def test_a_removal_without_an_answer_is_unknown(open_at):
    with serve(lambda _request: Answer.of({}, 500)) as server:
        assert letters(open_at(server.url, path="/orders/{number}").erase([item(number=1)])) == "U"
