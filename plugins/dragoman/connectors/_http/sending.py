"""One request of any method, sent once: never twice, never on to another place.

What came of it is one of three things, and they are never mixed up: it was surely not sent (an error is raised), it
was answered (``Reply``), or nobody can tell whether the server took it (``NoReply``).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import httpcore

from dragoman import __version__
from dragoman.connectors._http.body import read_body
from dragoman.connectors._http.endpoint import Endpoint
from dragoman.connectors._http.failures import failure_of
from dragoman.connectors._http.headers import headers_of
from dragoman.connectors._http.line import Line
from dragoman.connectors._http.location import Location
from dragoman.connectors._http.masking import Mask
from dragoman.connectors._http.network import Deadline, GuardedNetwork
from dragoman.connectors._http.tls import tls_context
from dragoman.core.errors import DragomanError

__all__ = ["NoReply", "Reply", "Sender"]

CONNECT_TIMEOUT = 10.0


@dataclass(frozen=True)
class Reply:
    """What came back. ``headers`` by lower-case name; ``broken`` says why the body is not whole, where it is not."""

    location: Location
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    broken: str = ""


class NoReply(NamedTuple):
    """The request was sent, in whole or in part, and no answer can be read."""

    message: str


class Sender:
    """Sends to the connection's own origin only. Not for several threads at once."""

    def __init__(self, endpoint: Endpoint, *, timeout: float = 60.0, max_bytes: int = 64 << 20) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._deadline = Deadline()
        self._network = GuardedNetwork(self._deadline, endpoint.private)
        self._line: Line | None = None
        self._secure: ssl.SSLContext | None = None
        self.mask = Mask(*endpoint.secrets)

    def send(self, method: str, here: Location, headers: Mapping[str, str], body: bytes) -> Reply | NoReply:
        """Send one request. Credentials and what belongs to the transport are added to ``headers``.

        Raises:
            RetriableError: nothing was sent: ``http.unreachable``, ``http.name``, ``http.timeout``.
            FatalError: nothing was sent: ``http.address``, ``http.certificate``.
        """
        self._deadline.start(self._timeout)
        sent = self._headers(here, headers, body)
        kept, self._line = self._line, None
        if kept is not None and not kept.reusable:
            kept.close()
            kept = None
        line = kept or self._connect(here)
        try:
            begun = line.send(method, here.target, sent, body)
            if not begun and kept is not None:  # hung up in the meantime, and not one byte was taken
                line.close()
                line = self._connect(here)
                begun = line.send(method, here.target, sent, body)
        except httpcore.TimeoutException as error:
            line.close()
            return self._lost(here, error)
        if not begun:
            line.close()
            refused = httpcore.WriteError("the server hung up before it was sent anything")
            raise failure_of(here, refused, self._timeout, self.mask)
        return self._received(here, line)

    def close(self) -> None:
        """Give back the connection."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _connect(self, here: Location) -> Line:
        try:
            stream = self._network.connect_tcp(here.host, here.port, min(CONNECT_TIMEOUT, self._timeout))
            if here.scheme == "https":
                self._secure = self._secure or tls_context(self._endpoint.ca)
                stream = stream.start_tls(self._secure, here.host, CONNECT_TIMEOUT)
        except (httpcore.TimeoutException, httpcore.NetworkError) as error:
            raise failure_of(here, error, self._timeout, self.mask) from error
        return Line(stream)

    def _received(self, here: Location, line: Line) -> Reply | NoReply:
        try:
            status, raw = line.receive()
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            line.close()
            return self._lost(here, error)
        received = headers_of(raw)
        try:
            body = read_body(line.body(), received.get("content-encoding", ""), self._max_bytes, here.shown)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            line.close()
            return Reply(here, status, received, broken=failure_of(here, error, self._timeout, self.mask).message)
        except DragomanError as error:
            line.close()
            return Reply(here, status, received, broken=error.message)
        if line.reusable:
            self._line = line
        else:
            line.close()
        return Reply(here, status, received, body)

    def _lost(self, here: Location, error: Exception) -> NoReply:
        failure = failure_of(here, error, self._timeout, self.mask)
        return NoReply(f"{failure.message}; whether the server took the request is not known")

    def _headers(self, here: Location, headers: Mapping[str, str], body: bytes) -> list[tuple[str, str]]:
        own = {"Host": here.authority, "User-Agent": f"dragoman/{__version__}", "Accept-Encoding": "gzip"}
        named = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})
        done: dict[str, tuple[str, str]] = {}
        for part in (named, headers, self._endpoint.credentials, own):
            done |= {name.lower(): (name, value) for name, value in part.items()}
        done["content-length"] = ("Content-Length", str(len(body)))
        return list(done.values())
