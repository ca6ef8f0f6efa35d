"""What may pass is tried again, as long as the server asks; what cannot is not."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import pytest

from dragoman.core import clock
from dragoman.core.connection import parse_connection
from dragoman.core.errors import FatalError, RetriableError
from dragoman.testing.http_server import Answer, Request, serve

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
GOOD = Answer.of([{"id": 1}])


def script(*answers: Answer):
    left = list(answers)
    return lambda _: left.pop(0) if left else GOOD


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 599])
def test_f11_a_status_that_may_pass_is_tried_again(read, waits, status):
    with serve(script(Answer(status=status), Answer(status=status))) as server:
        assert read(server.url).ids == [1]
    assert len(server.requests) == 3
    assert waits == [0.25, 0.5]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "refused"),
        (401, "denied"),
        (403, "denied"),
        (404, "not_found"),
        (409, "refused"),
        (410, "not_found"),
        (422, "refused"),
        (451, "refused"),
        (501, "refused"),
        (304, "refused"),
    ],
)
def test_a_status_that_will_not_pass_is_red_at_once(read, waits, status, code):
    answer = Answer.of({"message": "no such field: amout"}, status)
    with serve(lambda _: answer) as server, pytest.raises(FatalError) as caught:
        read(server.url)
    assert caught.value.code == f"http.{code}"
    assert str(status) in caught.value.message
    assert status == 304 or "no such field: amout" in caught.value.message
    assert len(server.requests) == 1
    assert waits == []


@pytest.mark.parametrize(
    ("name", "value", "wait"),
    [
        ("Retry-After", "7", 7.0),
        ("Retry-After", "Sun, 01 Mar 2026 12:00:09 GMT", 9.0),
        ("Retry-After", str(int(NOW.timestamp()) + 11), 11.0),
        ("Retry-After", "1.5", 1.5),
        ("X-RateLimit-Reset", str(int(NOW.timestamp()) + 13), 13.0),
        ("RateLimit-Reset", "3", 3.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_server_is_waited_for_as_long_as_it_asks(read, waits, monkeypatch, name, value, wait, status):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    with serve(script(Answer(status=status, headers={name: value}))) as server:
        assert read(server.url).ids == [1]
    assert waits == [wait]


def test_a_wait_that_the_budget_does_not_hold_is_handed_on(read, waits):
    answer = Answer(status=429, headers={"Retry-After": "121"})
    with serve(lambda _: answer) as server, pytest.raises(RetriableError) as caught:
        read(server.url)
    assert waits == []
    assert caught.value.retry_after == 121
    assert len(server.requests) == 1


def test_each_page_has_its_own_budget(read, waits):
    def slow(request: Request) -> Answer:
        page = int(request.params["page"])
        turn = sum(each.params["page"] == request.params["page"] for each in server.requests)
        if turn == 1:
            return Answer(status=429, headers={"Retry-After": "100"})
        return Answer.of([{"id": page}] if page < 5 else [])

    with serve(slow) as server:
        assert read(server.url, paging={"type": "page"}).ids == [1, 2, 3, 4]
    assert waits == [100.0] * 6


def test_waits_grow_and_are_spread_by_chance(read, monkeypatch):
    done: list[float] = []
    chances = iter([0.5, 0.0, 0.25, 1.0, 0.1, 0.9])
    monkeypatch.setattr(clock, "sleep", done.append)
    monkeypatch.setattr(clock, "random_fraction", lambda: next(chances))
    with serve(lambda _: Answer(status=500)) as server, pytest.raises(RetriableError) as caught:
        read(server.url)
    assert done == [0.125, 0.0, 0.25, 2.0, 0.4]
    assert "after 6 tries" in caught.value.message
    assert caught.value.retry_after is None
    assert len(server.requests) == 6


def test_a_server_that_is_not_there_is_unreachable(read, waits):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(RetriableError) as caught:
        read(f"http://127.0.0.1:{port}")
    assert caught.value.code == "http.unreachable"
    assert f"127.0.0.1:{port}" in caught.value.message
    assert len(waits) == 5


def test_a_name_without_an_address_is_told(read, waits):
    with pytest.raises(RetriableError) as caught:
        read("http://no-such-name.invalid")
    assert caught.value.code == "http.name"


def test_a_connection_that_breaks_is_tried_again(read, waits):
    def broken(stream, _closing):
        stream.write(b"")

    turns = iter([broken, broken])
    with serve(lambda _: next(turns, GOOD)) as server:
        assert read(server.url).ids == [1]


def test_a_kept_connection_that_the_server_closed_is_opened_anew(read, waits):
    with serve(
        lambda request: Answer.of(
            [{"id": request.params["page"]}] if int(request.params["page"]) < 4 else [], Connection="close"
        )
    ) as server:
        assert read(server.url, paging={"type": "page"}).ids == ["1", "2", "3"]
    assert waits == []


def test_redirects_end_after_five(read, waits):
    hops = lambda request: Answer(status=302, headers={"Location": f"/{int(request.path.strip('/') or 0) + 1}"})  # noqa: E731
    with serve(hops) as server, pytest.raises(FatalError) as caught:
        read(server.url, path="/0")
    assert caught.value.code == "http.redirect"
    assert len(server.requests) == 6
    with serve(lambda request: GOOD if request.path == "/5" else hops(request)) as server:
        assert read(server.url, path="/0").ids == [1]


def test_secrets_do_not_stand_in_errors(read, waits):
    connection = "?allow_private=true&token=tok-1234567&headers=%7B%22X-Extra%22%3A%22extra-987%22%7D"

    def echo(request: Request) -> Answer:
        told = {name: request.headers.get(name) for name in ("authorization", "x-extra")}
        return Answer.of(
            {"got": told, "set-cookie": "sid=abcdef", "password": "hunter22", "note": "line\nbreak\x1b[31m"}, 400
        )

    with serve(echo) as server, pytest.raises(FatalError) as caught:
        read(
            connection=parse_connection("shop", server.url + connection), params={"access_token": "s3cr3t", "limit": 5}
        )
    text = str(caught.value)
    assert not [
        word for word in ("tok-1234567", "extra-987", "abcdef", "hunter22", "s3cr3t", "\n", "\x1b") if word in text
    ]
    assert "limit=5" in text
    assert server.requests[0].headers["x-extra"] == "extra-987"
    assert server.requests[0].params["access_token"] == "s3cr3t"
