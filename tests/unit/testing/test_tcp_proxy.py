"""The bad network does what it says, and counts what has passed."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

from dragoman.testing.tcp_proxy import Trouble, tcp_proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(client: socket.socket) -> None:
        with client, suppress(OSError):
            while piece := client.recv(4096):
                client.sendall(piece)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def talk(port: int, sent: bytes, wanted: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
        client.sendall(sent)
        got = b""
        while len(got) < wanted and (piece := client.recv(wanted - len(got))):
            got += piece
        return got


def test_without_trouble_all_passes(echo: int) -> None:
    with tcp_proxy("127.0.0.1", echo) as proxy:
        assert talk(proxy.port, b"x" * 50_000, 50_000) == b"x" * 50_000
        assert (proxy.connections, proxy.up, proxy.down) == (1, 50_000, 50_000)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_truncated_connection_ends_after_so_many_bytes(echo: int, direction: str) -> None:
    with tcp_proxy("127.0.0.1", echo, Trouble("truncate", direction, after=7, nth=2)) as proxy:
        assert talk(proxy.port, b"first", 5) == b"first"
        assert len(talk(proxy.port, b"0123456789", 10)) <= 7
        assert talk(proxy.port, b"third", 5) == b"third"


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_reset_is_an_error_at_the_client(echo: int, direction: str) -> None:
    with tcp_proxy("127.0.0.1", echo, Trouble("reset", direction, after=7)) as proxy, pytest.raises(ConnectionError):
        for _again in range(50):
            talk(proxy.port, b"0123456789", 10)


def test_a_black_hole_says_nothing_and_closes_nothing(echo: int) -> None:
    with tcp_proxy("127.0.0.1", echo, Trouble("blackhole", "up", after=3)) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=0.3) as client:
            client.sendall(b"0123456789")
            with pytest.raises(TimeoutError):
                while client.recv(1):
                    continue
            assert proxy.up == 3
        proxy.trouble = Trouble()
        assert talk(proxy.port, b"well", 4) == b"well"


def test_a_refused_connection_and_one_that_nobody_serves_end_at_once(echo: int) -> None:
    with tcp_proxy("127.0.0.1", echo, Trouble("refuse")) as proxy:
        assert_ends(proxy.port)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with tcp_proxy("127.0.0.1", port) as proxy:
        assert_ends(proxy.port)


def assert_ends(port: int) -> None:
    try:
        assert talk(port, b"hello", 5) == b""
    except ConnectionError:
        return


def test_latency_and_bandwidth_delay(echo: int) -> None:
    import time

    with tcp_proxy("127.0.0.1", echo, Trouble(latency=0.05, bandwidth=100_000)) as proxy:
        began = time.monotonic()
        assert len(talk(proxy.port, b"x" * 5_000, 5_000)) == 5_000
        assert time.monotonic() - began >= 0.15


def test_a_database_behind_it_can_be_cut_off(postgres: str) -> None:
    port = int(postgres.rpartition(":")[2].partition("/")[0])
    with tcp_proxy("127.0.0.1", port) as proxy:
        behind = postgres.replace(f":{port}/", f":{proxy.port}/")
        with psycopg.connect(behind) as server:
            assert server.execute("SELECT 1").fetchone() == (1,)
        proxy.trouble = Trouble("reset", "down", after=5_000)
        with pytest.raises(psycopg.OperationalError), psycopg.connect(behind) as server:
            server.execute("SELECT repeat('x', 100000)").fetchone()


def test_it_runs_as_a_process_of_its_own(echo: int) -> None:
    words = [sys.executable, "-m", "dragoman.testing.tcp_proxy", "--to", f"127.0.0.1:{echo}", "--do", "truncate"]
    with subprocess.Popen([*words, "--after", "4"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        assert talk(int(proxy.stdout.readline()), b"0123456789", 10) == b"0123"
        assert proxy.stdin is not None
        proxy.stdin.close()
        assert proxy.wait(10) == 0


def test_an_unknown_trouble_is_refused() -> None:
    with pytest.raises(ValueError, match="blackhole"):
        Trouble("explode")
