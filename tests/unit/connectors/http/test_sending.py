"""One request against real sockets: surely not sent, answered, or nobody knows; and never sent twice."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dragoman.connectors._http import line as line_module
from dragoman.connectors._http.endpoint import endpoint_of
from dragoman.connectors._http.sending import NoReply, Reply, Sender
from dragoman.core.connection import parse_connection
from dragoman.core.errors import FatalError, RetriableError
from dragoman.testing.http_server import Answer, serve

BODY = b'{"id":1}'
GOOD = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
Script = Callable[[socket.socket], None]


class Peer:
    """A server of raw bytes: one script for each connection, the last one for all further ones."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.connections = 0
        self.heard: list[bytes] = []
        self.closing = threading.Event()

    def request(self, link: socket.socket) -> bytes:
        """Read one request to its end; empty where the client hung up."""
        got = b""
        while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < _length(got):
            data = link.recv(65_536)
            if not data:
                return b""
            got += data
        self.heard.append(got)
        return got


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


@contextmanager
def peer(*scripts: Callable[[Peer, socket.socket], None]) -> Iterator[Peer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        known = Peer(listener.getsockname()[1])

        def work() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                script = scripts[min(known.connections, len(scripts) - 1)]
                known.connections += 1
                try:
                    with link:
                        script(known, link)
                except OSError:
                    pass

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield known
        finally:
            known.closing.set()
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def answers(*texts: bytes) -> Callable[[Peer, socket.socket], None]:
    """Answer one request after the other, then hang up."""

    def script(known: Peer, link: socket.socket) -> None:
        for text in texts:
            known.request(link)
            link.sendall(text)

    return script


def says(text: bytes, *, then_wait: bool = False) -> Callable[[Peer, socket.socket], None]:
    def script(known: Peer, link: socket.socket) -> None:
        known.request(link)
        link.sendall(text)
        if then_wait:
            known.closing.wait(20)

    return script


def drips(start: bytes, drop: bytes) -> Callable[[Peer, socket.socket], None]:
    def script(known: Peer, link: socket.socket) -> None:
        known.request(link)
        link.sendall(start)
        while not known.closing.wait(0.02):
            link.sendall(drop)

    return script


def reset(link: socket.socket) -> None:
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()


@contextmanager
def sender(url: str, timeout: float = 5.0, **extra: str) -> Iterator[Sender]:
    more = "".join(f"&{name}={value}" for name, value in extra.items())
    made = Sender(
        endpoint_of(parse_connection("shop", f"{url}?allow_private=true{more}")), timeout=timeout, max_bytes=1000
    )
    try:
        yield made
    finally:
        made.close()


def post(made: Sender, body: bytes = BODY, method: str = "POST", **headers: str) -> Reply | NoReply:
    place = made._endpoint.at("/orders")
    return made.send(method, place, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def once(script: Callable[[Peer, socket.socket], None], timeout: float = 5.0) -> tuple[Reply | NoReply, Peer]:
    with peer(script) as known, sender(known.url, timeout) as made:
        return post(made), known


# surely not sent


def test_a_refused_connection_was_surely_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with sender(f"http://127.0.0.1:{port}") as made, pytest.raises(RetriableError) as caught:
        post(made)
    assert (caught.value.code, caught.value.outage) == ("http.unreachable", "down")


def test_a_name_without_an_address_was_surely_not_sent():
    with sender("http://no-such-host.invalid") as made, pytest.raises(RetriableError) as caught:
        post(made)
    assert caught.value.code == "http.name"


def test_a_server_that_speaks_no_tls_gets_nothing():
    with peer(lambda _known, link: link.sendall(b"hello\r\n")) as known:
        with sender(known.url.replace("http:", "https:")) as made, pytest.raises(RetriableError) as caught:
            post(made)
        assert caught.value.code == "http.unreachable"
        assert known.heard == []


def test_a_private_address_gets_nothing():
    with peer(says(GOOD)) as known:
        made = Sender(endpoint_of(parse_connection("shop", known.url)))
        with pytest.raises(FatalError) as caught:
            post(made)
        assert caught.value.code == "http.address"
        assert known.connections == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "[::1]", "0.0.0.0", "0177.1", "2130706433", "[::ffff:127.0.0.1]"])
def test_no_notation_of_an_own_address_is_sent_to(host):
    made = Sender(endpoint_of(parse_connection("shop", f"http://{host}/v1")))
    with pytest.raises(FatalError) as caught:
        post(made)
    assert caught.value.code == "http.address"


def test_a_name_that_points_elsewhere_a_moment_later_gains_nothing(internet):
    with serve(lambda _request: Answer.of({}, 201)) as server:
        url = internet.site("api.example.com", "93.184.216.34", server.port)
        internet.names["api.example.com"] = [["93.184.216.34"], ["127.0.0.1"]]
        made = Sender(endpoint_of(parse_connection("shop", url)))
        assert isinstance(post(made), Reply)
        assert isinstance(post(made), Reply), "the connection is kept, and the name not asked again"
        made.close()
        with pytest.raises(FatalError) as caught:
            post(made)
        assert caught.value.code == "http.address"
        assert len(server.requests) == 2
        assert internet.dialled == ["93.184.216.34"]


# answered


def test_a_request_is_sent_as_it_stands():
    with serve(lambda _request: Answer.of({"id": 5}, 201)) as server, sender(server.url, token="abcdef") as made:
        reply = post(made, method="PUT", X_Shop="7", content_type="application/vnd.api+json")
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body, reply.broken) == (201, b'{"id": 5}', "")
    request = server.requests[0]
    assert (request.method, request.target, request.body) == ("PUT", "/orders", BODY)
    assert request.headers["content-length"] == str(len(BODY))
    assert request.headers["x-shop"] == "7"
    assert request.headers["content-type"] == "application/vnd.api+json"
    assert request.headers["authorization"] == "Bearer abcdef"
    assert "transfer-encoding" not in request.headers
    assert "expect" not in request.headers


def test_a_removal_has_no_body():
    with serve(lambda _request: Answer(status=204)) as server, sender(server.url) as made:
        assert post(made, b"", "DELETE").status == 204
    assert server.requests[0].headers["content-length"] == "0"
    assert "content-type" not in server.requests[0].headers


def test_what_announces_an_answer_is_passed_over():
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    reply, known = once(says(early + GOOD))
    assert (reply.status, len(known.heard)) == (201, 1)


def test_an_answer_that_comes_before_all_was_read():
    def script(_known: Peer, link: socket.socket) -> None:
        link.recv(100)
        link.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        link.shutdown(socket.SHUT_WR)
        while link.recv(1 << 20):
            pass

    with peer(script) as known, sender(known.url) as made:
        reply = post(made, b"x" * 20_000_000)
    assert isinstance(reply, Reply)
    assert reply.status == 413


def test_a_server_that_answers_and_hangs_up_while_the_body_is_written():
    def script(_known: Peer, link: socket.socket) -> None:
        link.recv(100)
        link.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    with peer(script) as known, sender(known.url) as made:
        reply = post(made, b"x" * 20_000_000)
    assert isinstance(reply, NoReply) or reply.status == 413, "never an error that says: not sent"


@pytest.mark.parametrize("end", [b"", b"Connection: close\r\n"])
def test_an_answer_that_ends_with_the_connection(end):
    reply, _ = once(says(b"HTTP/1.0 200 OK\r\n" + end + b"\r\n{}"))
    assert (reply.status, reply.body, reply.broken) == (200, b"{}", "")


def test_a_packed_answer_is_unpacked():
    packed = gzip.compress(b'{"id":5}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    assert once(says(head + packed))[0].body == b'{"id":5}'


def test_a_redirect_is_an_answer_and_is_not_followed():
    with serve(lambda _request: Answer(status=307, headers={"Location": "/elsewhere"})) as server:
        with sender(server.url) as made:
            assert post(made).status == 307
        assert len(server.requests) == 1


# an answer that is not whole

BOMB = gzip.compress(b"0" * 10_000_000)


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + BOMB[:9],
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(BOMB), BOMB),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"0" * 5000,
    ],
    ids=["short", "no last chunk", "no chunk size", "negative chunk", "cut gzip", "brotli", "bomb", "too large"],
)
def test_an_answer_that_cannot_be_read_to_its_end_keeps_its_status(text):
    reply, known = once(says(text))
    assert isinstance(reply, Reply)
    assert reply.status == 200
    assert reply.broken
    assert reply.body == b""
    assert len(known.heard) == 1


def test_a_body_that_drips_is_given_up_at_the_deadline():
    begun = time.monotonic()
    reply, _ = once(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b" "), timeout=0.4)
    assert isinstance(reply, Reply)
    assert "0.4 s" in reply.broken
    assert time.monotonic() - begun < 4


# nobody knows


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"hello\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["nothing", "half a head", "no HTTP", "odd status", "two lengths", "no length", "101", "huge head", "only 100"],
)
def test_an_answer_that_is_none(text):
    reply, known = once(says(text))
    assert isinstance(reply, NoReply)
    assert "not known" in reply.message
    assert len(known.heard) == 1


def test_silence_ends_at_the_deadline():
    reply, known = once(says(b"", then_wait=True), timeout=0.3)
    assert isinstance(reply, NoReply)
    assert "0.3 s" in reply.message
    assert len(known.heard) == 1


@pytest.mark.parametrize("drop", [b"HTTP/1.1 100 Continue\r\n\r\n", b"a"], ids=["announcements", "a slow head"])
def test_a_head_that_never_comes_ends_at_the_deadline(drop):
    start = b"" if drop.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nX: "
    begun = time.monotonic()
    assert isinstance(once(drips(start, drop), timeout=0.4)[0], NoReply)
    assert time.monotonic() - begun < 4


def test_a_reset_after_the_request_was_read():
    def script(known: Peer, link: socket.socket) -> None:
        known.request(link)
        reset(link)

    reply, known = once(script)
    assert isinstance(reply, NoReply)
    assert len(known.heard) == 1


def test_a_reset_before_the_request_was_read_is_not_taken_for_not_sent():
    def script(_known: Peer, link: socket.socket) -> None:
        link.recv(1, socket.MSG_PEEK)
        reset(link)

    reply, known = once(script)
    assert isinstance(reply, NoReply)
    assert known.connections == 1, "it is not sent again"


def test_a_reset_as_the_connection_opens_is_told_either_way_and_never_sent_again():
    with peer(lambda _known, link: reset(link)) as known, sender(known.url) as made:
        try:
            assert isinstance(post(made), NoReply)
        except RetriableError as error:
            assert error.code == "http.unreachable", "not one byte was taken"
        assert known.connections == 1


# one connection, several requests


def test_a_connection_is_used_again():
    with peer(answers(GOOD, GOOD, GOOD)) as known, sender(known.url) as made:
        assert [post(made).status for _ in range(3)] == [201, 201, 201]
        assert (known.connections, len(known.heard)) == (1, 3)


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_server_that_hangs_up_between_requests(how):
    gone = threading.Event()

    def first(known: Peer, link: socket.socket) -> None:
        known.request(link)
        link.sendall(GOOD)
        time.sleep(0.05)
        if how == "reset":
            reset(link)
        else:
            link.close()
        gone.set()

    with peer(first, answers(GOOD)) as known, sender(known.url) as made:
        assert post(made).status == 201
        assert gone.wait(5)
        assert post(made).status == 201
        assert (known.connections, len(known.heard)) == (2, 2)


def test_a_server_that_hangs_up_as_the_next_request_arrives():
    def script(known: Peer, link: socket.socket) -> None:
        known.request(link)
        link.sendall(GOOD)
        known.request(link)

    with peer(script, answers(GOOD)) as known, sender(known.url) as made:
        assert post(made).status == 201
        assert isinstance(post(made), NoReply), "it may have been taken: it is not sent again"
        assert (known.connections, len(known.heard)) == (1, 2)


@pytest.mark.parametrize("at_once", [True, False])
def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(at_once):
    lie = b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n["smuggl"'

    def first(known: Peer, link: socket.socket) -> None:
        known.request(link)
        if at_once:
            link.sendall(GOOD + lie)
        else:
            link.sendall(GOOD)
            time.sleep(0.05)
            link.sendall(lie)
        known.closing.wait(0.3)

    with peer(first, answers(GOOD)) as known, sender(known.url) as made:
        assert post(made).status == 201
        time.sleep(0.1)
        assert post(made).body == b"{}"
        assert known.connections == 2


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 201 Created\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_a_connection_that_ends_with_its_answer(text):
    with peer(answers(text, text)) as known, sender(known.url) as made:
        assert [post(made).status for _ in range(2)] == [201, 201]
        assert known.connections == 2


def test_a_connection_that_was_idle_for_long_is_not_used(monkeypatch):
    monkeypatch.setattr(line_module, "IDLE", -1.0)
    with peer(answers(GOOD), answers(GOOD)) as known, sender(known.url) as made:
        assert [post(made).status for _ in range(2)] == [201, 201]
        assert known.connections == 2


def test_after_no_answer_the_next_request_has_a_connection_of_its_own():
    with peer(says(b""), answers(GOOD)) as known, sender(known.url) as made:
        assert isinstance(post(made), NoReply)
        assert post(made).status == 201
        assert (known.connections, len(known.heard)) == (2, 2)
