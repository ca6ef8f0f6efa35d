"""What a hostile or broken server, link or setting may try, each by its number in the list of bad inputs tried."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest

from dragoman.connectors.http.source import open_source
from dragoman.core import clock, patience
from dragoman.core.connection import Connection, parse_connection
from dragoman.core.errors import ConfigError, FatalError, RetriableError
from dragoman.testing.http_server import Answer, Request, serve

ORDERS = [{"id": 1}, {"id": 2}]
PUBLIC, OTHER = "93.184.216.34", "151.101.1.69"


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    monkeypatch.setattr(patience, "TRIES", 2)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("169.254.169.254", id="63-metadata"),
        pytest.param("127.0.0.1:{port}", id="64-loopback"),
        pytest.param("[::1]:{port}", id="64-ipv6"),
        pytest.param("0.0.0.0:{port}", id="64-unspecified"),
        pytest.param("0177.1:{port}", id="64-octal"),
        pytest.param("0x7f.0.0.1:{port}", id="64-hexadecimal"),
        pytest.param("2130706433:{port}", id="64-decimal"),
        pytest.param("[::ffff:127.0.0.1]:{port}", id="64-mapped"),
        pytest.param("[64:ff9b::7f00:1]:{port}", id="64-nat64"),
        pytest.param("[2002:7f00:1::]:{port}", id="64-6to4"),
        pytest.param("[fe80::1]:{port}", id="64-link-local"),
        pytest.param("localhost:{port}", id="64-name"),
        pytest.param("10.1.2.3", id="64-private"),
        pytest.param("192.168.1.1", id="64-private-16"),
        pytest.param("172.16.0.1", id="64-private-12"),
        pytest.param("100.64.0.1", id="64-carrier"),
        pytest.param("224.0.0.1", id="64-multicast"),
        pytest.param("[fd00::1]", id="64-unique-local"),
    ],
)
def test_63_64_an_address_that_is_not_public_is_refused_before_anything_is_sent(read, waits, internet, host):
    with serve(lambda _: Answer.of(ORDERS)) as server, pytest.raises(FatalError) as caught:
        read(f"http://{host.format(port=server.port)}", private=False)
    assert caught.value.code == "http.address"
    assert "allow_private" in caught.value.next_step
    assert server.requests == []
    assert internet.dialled == []
    assert waits == []


def test_64_allow_private_is_for_the_connections_own_server(read):
    with serve(lambda _: Answer.of(ORDERS)) as server:
        assert read(server.url).ids == [1, 2]


def test_65_the_address_that_was_judged_is_the_one_that_is_dialled(read, waits, internet):
    internet.names["rebind.test"] = [[PUBLIC], ["127.0.0.1"]]
    with serve(lambda _: Answer.of(ORDERS)) as server:
        with pytest.raises(FatalError) as caught:
            read(f"http://rebind.test:{server.port}", private=False)
        assert server.requests == []
    assert caught.value.code == "http.address"
    assert internet.asked == ["rebind.test"] * 2
    assert internet.dialled == [PUBLIC]


def test_65_one_private_address_among_public_ones_is_enough_to_refuse(read, internet):
    internet.names["mixed.test"] = [[PUBLIC, "10.0.0.7"]]
    with pytest.raises(FatalError, match=r"10\.0\.0\.7"):
        read("http://mixed.test", private=False)
    assert internet.dialled == []


def test_65_the_name_stays_in_the_host_header_and_the_address_is_pinned(read, internet):
    with serve(lambda _: Answer.of(ORDERS)) as server:
        url = internet.site("api.test", PUBLIC, server.port)
        assert read(url, private=False).ids == [1, 2]
    assert server.requests[0].headers["host"] == "api.test"
    assert internet.dialled == [PUBLIC]


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:{port}/orders", "http://169.254.169.254/latest", "http://localhost:{port}/", "http://[::1]/"],
)
def test_66_a_redirect_from_public_to_private_is_refused(read, internet, target):
    with serve(lambda _: Answer(status=302, headers={"Location": target.format(port=server.port)})) as server:
        url = internet.site("api.test", PUBLIC, server.port)
        with pytest.raises(FatalError) as caught:
            read(url, private=False)
    assert caught.value.code == "http.address"
    assert len(server.requests) == 1


def test_66_even_a_private_server_may_not_send_to_another_private_one(read):
    def away(_: Request) -> Answer:
        return Answer(status=307, headers={"Location": f"{inner.url}/orders"})

    with serve(lambda _: Answer.of(ORDERS)) as inner, serve(away) as server, pytest.raises(FatalError) as caught:
        read(server.url)
    assert caught.value.code == "http.address"
    assert inner.requests == []


def test_67_credentials_do_not_follow_a_redirect_to_another_host(read, internet):
    with serve(lambda _: Answer.of(ORDERS)) as other:
        elsewhere = internet.site("files.test", OTHER, other.port)
        with serve(lambda _: Answer(status=302, headers={"Location": f"{elsewhere}/signed?x=1"})) as server:
            url = internet.site("api.test", PUBLIC, server.port).replace("//", "//user:hunter22@")
            assert read(url, private=False, headers={"X-Shop": "7"}).ids == [1, 2]
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    assert server.requests[0].headers["x-shop"] == "7"
    assert other.requests[0].target == "/signed?x=1"
    assert not {"authorization", "cookie", "x-shop", "x-api-key"} & set(other.requests[0].headers)


def test_67_credentials_stay_on_a_redirect_within_the_server(read):
    def moved(request: Request) -> Answer:
        return (
            Answer.of(ORDERS)
            if request.path == "/v2/orders"
            else Answer(status=301, headers={"Location": "/v2/orders"})
        )

    with serve(moved) as server:
        connection = parse_connection("shop", f"{server.url}?allow_private=true&token=abc123")
        assert read(connection=connection).ids == [1, 2]
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer abc123"] * 2


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://example.com/x"])
def test_68_other_schemes_are_refused_in_redirects_next_links_and_paths(read, target):
    with serve(lambda _: Answer(status=302, headers={"Location": target})) as server:
        with pytest.raises(FatalError) as caught:
            read(server.url)
        assert caught.value.code == "http.redirect"
    with serve(lambda _: Answer.of({"data": ORDERS, "next": target})) as server:
        with pytest.raises(FatalError) as caught:
            read(server.url, records="data", paging={"type": "next_link", "next": "next"})
        assert caught.value.code == "http.foreign_link"
    with pytest.raises(ConfigError) as refused:
        read("http://api.test", path=target)
    assert refused.value.code == "http.path"


def test_69_a_url_with_a_user_is_refused(read):
    for key, document in {"redirect": None, "link": {"data": ORDERS, "next": "http://127.0.0.1@evil.test/"}}.items():
        answer = Answer.of(document) if document else Answer(status=302, headers={"Location": "http://user@evil.test/"})
        with serve(lambda _, answer=answer: answer) as server, pytest.raises(FatalError, match="user or password"):
            read(server.url, records="data", paging={"type": "next_link", "next": "next"})
        assert len(server.requests) == 1, key
    with pytest.raises(ConfigError):
        read("http://api.test", path="http://user@evil.test/")
    with pytest.raises(ConfigError, match="base URL"):
        open_source(Connection("shop", "http", "http", host="good.test@evil.test"), {"path": "/x"})


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "snow\u2603"])
def test_70_line_breaks_in_headers_are_refused(read, value):
    for headers in ({"X-Note": value}, {f"X-{value}": "1"}):
        with pytest.raises(ConfigError) as caught:
            read("http://api.test", headers=headers)
        assert caught.value.code == "http.header"
    secret = Connection("shop", "http", "http", host="api.test", extra={"token": value})
    with pytest.raises(ConfigError) as caught:
        read(connection=secret)
    assert caught.value.code == "http.header"
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "link",
    [
        "http://evil.test/orders?page=2",
        "//evil.test/orders",
        "http://127.0.0.1:1/orders",
        "https://{host}/orders",
        "http://{host}\\@evil.test/",
        "http://{host}/a b",
    ],
)
@pytest.mark.parametrize("in_header", [False, True])
def test_71_a_next_link_of_another_server_is_never_followed(read, link, in_header):
    def first(_: Request) -> Answer:
        there = link.format(host=f"127.0.0.1:{server.port}")
        if in_header:
            return Answer.of({"data": ORDERS}, Link=f'<{there}>; rel="next"')
        return Answer.of({"data": ORDERS, "next": there})

    with serve(first) as server, pytest.raises(FatalError) as caught:
        read(server.url, records="data", paging={"type": "next_link", "next": "header" if in_header else "next"})
    assert caught.value.code == "http.foreign_link"
    assert len(server.requests) == 1


def _same_token(_: Request, __: int) -> Any:
    return {"data": [{"id": _.target}], "next": "same"}


def _same_link(request: Request, _: int) -> Any:
    return {"data": [{"id": request.target}], "next": "/orders?x=1"}


def _ring(request: Request, at: int) -> Any:
    return {"data": [{"id": at}], "next": {None: "a", "a": "b", "b": "a"}[request.params.get("after")]}


def _deaf(_: Request, __: int) -> Any:
    return {"data": ORDERS, "next": None}


@pytest.mark.parametrize(
    ("shape", "paging"),
    [
        (_same_token, {"type": "cursor", "next": "next", "param": "after"}),
        (_ring, {"type": "cursor", "next": "next", "param": "after"}),
        (_same_link, {"type": "next_link", "next": "next"}),
        (_deaf, {"type": "page"}),
        (_deaf, {"type": "offset", "size": 2}),
    ],
    ids=["token", "ring", "link", "page-ignored", "offset-ignored"],
)
def test_72_a_paging_that_goes_in_circles_ends_red(read, shape, paging):
    def answer(request: Request) -> Answer:
        return Answer.of(shape(request, len(server.requests)))

    with serve(answer) as server, pytest.raises(FatalError) as caught:
        read(server.url, records="data", paging=paging)
    assert caught.value.code == "http.paging_loop"
    assert len(server.requests) <= 3


def test_72_a_paging_without_end_stops_at_the_page_limit(read):
    def more(_: Request) -> Answer:
        return Answer.of({"data": [{"id": len(server.requests)}], "next": f"t{len(server.requests)}"})

    with serve(more) as server, pytest.raises(FatalError) as caught:
        read(server.url, records="data", paging={"type": "cursor", "next": "next", "param": "after"}, max_pages=7)
    assert caught.value.code == "http.max_pages"
    assert len(server.requests) == 7


def _gzipped(body: bytes, cut: int = 0) -> Answer:
    packed = gzip.compress(body, 1)
    return Answer(packed[: len(packed) - cut], headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})


def test_73_a_bomb_is_left_alone_at_the_limit(read):
    with serve(lambda _: _gzipped(b'["' + b"0" * 70_000_000 + b'"]')) as server, pytest.raises(FatalError) as caught:
        read(server.url)
    assert caught.value.code == "http.too_large"
    assert "67108864 bytes" in caught.value.message


def test_73_a_coding_that_was_not_asked_for_is_refused(read):
    answer = Answer(b"\x1b\x03", headers={"Content-Encoding": "br"})
    with serve(lambda _: answer) as server, pytest.raises(FatalError) as caught:
        read(server.url)
    assert caught.value.code == "http.encoding"
    assert server.requests[0].headers["accept-encoding"] == "gzip"


def test_a_gzip_answer_is_unpacked_also_in_members(read):
    halves = gzip.compress(b'[{"id":1},') + gzip.compress(b'{"id":2}]')
    with serve(lambda _: Answer(halves, headers={"Content-Encoding": "gzip"})) as server:
        assert read(server.url).ids == [1, 2]


@pytest.mark.parametrize("cut", [1, 8, 30, 200])
def test_74_a_truncated_gzip_is_no_shorter_list(read, few_tries, cut):
    body = json.dumps([{"id": at, "name": f"name {at * 7919 % 1000}"} for at in range(300)]).encode()
    with serve(lambda _: _gzipped(body, cut)) as server, pytest.raises(RetriableError) as caught:
        read(server.url)
    assert caught.value.code == "http.truncated"
    assert len(server.requests) == 2


@pytest.mark.parametrize("lie", [+7, -7])
def test_75_a_lie_about_the_length_is_no_shorter_list(read, few_tries, lie):
    body = json.dumps(ORDERS).encode()

    def write(stream: BinaryIO, _: threading.Event) -> None:
        stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) + lie) + body)

    with serve(lambda _: write) as server, pytest.raises(RetriableError) as caught:
        read(server.url)
    assert caught.value.code == "http.truncated"


def test_75_a_body_without_a_length_that_breaks_off_is_no_shorter_list(read, few_tries):
    for piece in (b'[{"id":1},{"id":2}', b"[", b'[{"id":1},{"id":"'):

        def write(stream: BinaryIO, _: threading.Event, piece: bytes = piece) -> None:
            stream.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + piece)

        with serve(lambda _, write=write: write) as server, pytest.raises(RetriableError) as caught:
            read(server.url)
        assert caught.value.code == "http.truncated"


@pytest.mark.parametrize("slow", ["headers", "body", "silence"])
def test_76_a_server_that_drips_runs_into_the_deadline(read, few_tries, slow):
    def drip(stream: BinaryIO, closing: threading.Event) -> None:
        if slow == "body":
            stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n[")
        elif slow == "headers":
            stream.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while not closing.wait(0.02):
            if slow != "silence":
                stream.write(b" ")
                stream.flush()

    begun = clock.monotonic()
    with serve(lambda _: drip) as server, pytest.raises(RetriableError) as caught:
        read(server.url, timeout=0.15)
    assert caught.value.code == "http.timeout"
    assert clock.monotonic() - begun < 2


def _capped(value: str, read: Callable[..., Any]) -> RetriableError:
    answer = Answer.of({"error": "slow down"}, 429, Retry_After=value)
    with serve(lambda _: answer) as server, pytest.raises(RetriableError) as caught:
        read(server.url)
    assert caught.value.code == "http.throttled"
    return caught.value


@pytest.mark.parametrize("value", ["999999999", "9" * 15, "Fri, 31 Dec 2999 23:59:59 GMT", "32503680000"])
def test_78_a_wait_without_end_is_capped_and_handed_on(read, waits, value):
    error = _capped(value, read)
    assert waits == []
    assert error.retry_after == patience.MAX_HANDED_ON


@pytest.mark.parametrize("value", ["0", "-5", "1000000000", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", ""])
def test_78_a_wait_in_the_past_is_no_hurry(read, waits, value):
    _capped(value, read)
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_79_a_server_that_always_refuses_ends_red_within_the_budget(read, waits):
    error = _capped("50", read)
    assert waits == [50.0, 50.0]
    assert error.retry_after == 50
    assert "after 3 tries" in error.message


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_80_html_with_status_200_is_no_empty_list(read, kind):
    page = b"<!DOCTYPE html><html><title>Please sign in</title>password=hunter22</html>"
    with serve(lambda _: Answer(page, headers={"Content-Type": kind})) as server, pytest.raises(FatalError) as caught:
        read(server.url)
    assert caught.value.code == "http.unexpected_body"
    assert "HTML" in caught.value.message
    assert "Please sign in" in caught.value.message
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        {"error": {"code": 17, "message": "quota exceeded"}},
        {"error": "quota exceeded", "data": []},
        {"errors": [{"message": "quota exceeded"}], "data": ORDERS},
        {"data": None, "note": "quota exceeded"},
        {"data": {"note": "quota exceeded"}},
        {"data": "quota exceeded"},
        {"status": "quota exceeded"},
        ["quota exceeded"],
        "quota exceeded",
        None,
        17,
    ],
    ids=json.dumps,
)
def test_81_an_error_with_status_200_is_no_empty_list(read, document):
    with serve(lambda _: Answer.of(document)) as server, pytest.raises(FatalError) as caught:
        read(server.url, records="data", cursor={"column": "id", "param": "since"})
    assert caught.value.code == "http.unexpected_body"
    assert "expected a list at data" in caught.value.message
    if "quota" in json.dumps(document):
        assert "quota exceeded" in caught.value.message


def test_81_an_empty_body_is_no_empty_list(read):
    for status in (200, 204):
        with serve(lambda _, status=status: Answer(b"", status)) as server, pytest.raises(FatalError) as caught:
            read(server.url)
        assert f"an empty body (status {status})" in caught.value.message
