"""A TCP proxy that makes the network bad: in front of a database, an API, or anything that speaks over a socket.

    with tcp_proxy("127.0.0.1", 5432, Trouble("reset", direction="down", after=20_000)) as proxy:
        ...  # connect to 127.0.0.1, proxy.port; the first connection is reset after 20,000 bytes of answers
        proxy.trouble = Trouble()  # from the next connection on all is well

As a process of its own: ``python -m dragoman.testing.tcp_proxy --to 127.0.0.1:5432 --do reset --after 20000`` prints
the port that it listens on.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["TROUBLES", "Proxy", "Trouble", "tcp_proxy"]

TROUBLES = {
    "none": "bytes pass, as slowly as latency and bandwidth say",
    "reset": "after so many bytes both ends get a connection reset",
    "truncate": "after so many bytes both ends see the orderly end of the connection",
    "blackhole": "after so many bytes nothing passes any more in either direction, and nothing is closed",
    "refuse": "the connection is closed before anything passes",
}
_PIECE = 16_384
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Trouble:
    """What a connection meets.

    ``do``: one of ``TROUBLES``. ``direction``: whose bytes count, ``up`` (from the client) or ``down`` (to it).
    ``after``: bytes that pass first. ``nth``: which connections meet it, counted from 1 since it was set; 0 is all.
    ``latency``: seconds added before each piece that passes. ``bandwidth``: bytes per second, each way; 0 is no limit.
    """

    do: str = "none"
    direction: str = "down"
    after: int = 0
    nth: int = 0
    latency: float = 0.0
    bandwidth: int = 0

    def __post_init__(self) -> None:
        if self.do not in TROUBLES or self.direction not in {"up", "down"}:
            raise ValueError(f"{self.do!r} {self.direction!r}: expected one of {', '.join(TROUBLES)}, and up or down")


@dataclass
class Proxy:
    """A running proxy. ``up`` and ``down`` count the bytes that have passed, ``connections`` those that were made."""

    port: int
    connections: int = 0
    up: int = 0
    down: int = 0
    _trouble: Trouble = field(default_factory=Trouble)
    _since: int = 0

    @property
    def trouble(self) -> Trouble:
        """What the connections meet; setting it counts them from 1 again."""
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: Trouble) -> None:
        self._trouble, self._since = trouble, self.connections

    def _meets(self) -> Trouble:
        """The trouble of the connection that has just been made."""
        self.connections += 1
        trouble, number = self._trouble, self.connections - self._since
        return trouble if trouble.nth in {0, number} else Trouble()


@contextmanager
def tcp_proxy(host: str, port: int, trouble: Trouble | None = None) -> Iterator[Proxy]:
    """Listen on a free loopback port and pass all on to ``host:port`` until the block ends."""
    closing = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    proxy = Proxy(int(listener.getsockname()[1]), _trouble=trouble or Trouble())

    def accept() -> None:
        while not closing.is_set():
            with suppress(OSError):
                client, _address = listener.accept()
                threading.Thread(target=_Line(proxy, client, (host, port), closing).run, daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        closing.set()
        thread.join()
        listener.close()


class _Line:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: socket.socket, target: tuple[str, int], closing: threading.Event) -> None:
        self.proxy, self.client, self.target, self.closing = proxy, client, target, closing
        self.trouble = proxy._meets()
        self.lost = threading.Event()
        """Nothing passes any more."""

    def run(self) -> None:
        client = self.client
        if self.trouble.do == "refuse":
            client.close()
            return
        try:
            server = socket.create_connection(self.target, timeout=10)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.settimeout(0.1)
        ways = [
            threading.Thread(target=self._pass, args=(client, server, "up"), daemon=True),
            threading.Thread(target=self._pass, args=(server, client, "down"), daemon=True),
        ]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        for end in (client, server):
            end.close()

    def _pass(self, reader: socket.socket, writer: socket.socket, way: str) -> None:
        trouble, passed = self.trouble, 0
        counts = trouble.do != "none" and way == trouble.direction
        try:
            while not self.closing.is_set():
                piece = self._read(reader)
                if piece is None:
                    continue
                if not piece:
                    break
                room = trouble.after - passed if counts else len(piece)
                self._write(writer, piece[: max(room, 0)], way)
                passed += min(len(piece), max(room, 0))
                if len(piece) >= room and counts:
                    self._strike(reader, writer)
                    return
        except OSError:
            self.lost.set()
        with suppress(OSError):
            writer.shutdown(socket.SHUT_WR)

    def _read(self, reader: socket.socket) -> bytes | None:
        """A piece, empty at the end of the stream, or None where there is none yet."""
        try:
            return reader.recv(_PIECE)
        except TimeoutError:
            return b"" if self.lost.is_set() and self.trouble.do != "blackhole" else None

    def _write(self, writer: socket.socket, piece: bytes, way: str) -> None:
        trouble = self.trouble
        if not piece or (self.lost.is_set() and trouble.do == "blackhole"):
            return
        wait = trouble.latency + (len(piece) / trouble.bandwidth if trouble.bandwidth else 0.0)
        if wait:
            self.closing.wait(wait)
        setattr(self.proxy, way, getattr(self.proxy, way) + len(piece))
        writer.sendall(piece)

    def _strike(self, *ends: socket.socket) -> None:
        self.lost.set()
        if self.trouble.do == "blackhole":
            self.closing.wait()
            return
        for end in ends:
            with suppress(OSError):
                if self.trouble.do == "reset":
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    end.close()
                else:
                    end.shutdown(socket.SHUT_RDWR)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until the standard input ends."""
    parser = argparse.ArgumentParser(prog="tcp_proxy", description="A TCP proxy that makes the network bad.")
    parser.add_argument("--to", required=True, metavar="HOST:PORT", help="where the bytes go")
    parser.add_argument("--do", choices=TROUBLES, default="none", help="what happens to a connection")
    parser.add_argument("--direction", choices=("up", "down"), default="down", help="whose bytes count")
    parser.add_argument("--after", type=int, default=0, help="bytes that pass first")
    parser.add_argument("--nth", type=int, default=0, help="which connection meets it; 0, the default, is all")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each piece")
    parser.add_argument("--bandwidth", type=int, default=0, help="bytes per second, each way")
    args = parser.parse_args(argv)
    host, _, port = args.to.rpartition(":")
    trouble = Trouble(args.do, args.direction, args.after, args.nth, args.latency, args.bandwidth)
    with tcp_proxy(host, int(port), trouble) as proxy:
        sys.stdout.write(f"{proxy.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
