"""The way to the server: guarded addresses, and a deadline over all that one request does.

A server that sends a byte now and then never runs into a timeout of single reads; the deadline ends it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from dragoman.connectors._http.address import resolve
from dragoman.core import clock
from dragoman.core.errors import DOWN, RetriableError

__all__ = ["Deadline", "GuardedNetwork"]


class Deadline:
    """The moment at which the request in hand must be done; one for all connections of a client."""

    def __init__(self) -> None:
        self._end = 0.0

    def start(self, seconds: float) -> None:
        """A new request begins and has this long."""
        self._end = clock.monotonic() + seconds

    def left(self, timeout: float | None) -> float:
        """Seconds for one operation. Raises ``httpcore.ReadTimeout`` when none is left."""
        left = self._end - clock.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the request took longer than it may in all")
        return left if timeout is None else min(left, timeout)


class GuardedNetwork(httpcore.NetworkBackend):
    """Opens connections to judged addresses only. ``private`` names the hosts and ports that may be private."""

    def __init__(self, deadline: Deadline, private: frozenset[tuple[str, int]]) -> None:
        self._deadline = deadline
        self._private = private
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first judged address of ``host`` that answers."""
        refused: Exception | None = None
        for address in resolve(host, port, allow_private=(host, port) in self._private):
            try:
                stream = self._plain.connect_tcp(
                    address, port, self._deadline.left(timeout), local_address, socket_options
                )
                return _Stream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
        if refused is None:
            raise RetriableError("http.name", f"the name {host!r} has no address now", outage=DOWN)
        raise refused

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Never."""
        raise httpcore.ConnectError(f"no request goes to the socket file {path}")

    def sleep(self, seconds: float) -> None:
        """Wait, by the clock that tests control."""
        clock.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    """A connection whose every operation keeps to the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
