"""GET, carefully: guarded addresses, a deadline, a limit, redirects by our own rules, tries again as the server asks.

Built on httpcore, the transport of httpx: it takes a network of our own and costs a third of httpx's import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpcore

from dragoman import __version__
from dragoman.connectors._http.body import read_body
from dragoman.connectors._http.endpoint import Endpoint
from dragoman.connectors._http.failures import failure_of
from dragoman.connectors._http.headers import headers_of
from dragoman.connectors._http.location import BadUrlError, Location
from dragoman.connectors._http.masking import Mask
from dragoman.connectors._http.network import Deadline, GuardedNetwork
from dragoman.connectors._http.statuses import error_of
from dragoman.connectors._http.tls import tls_context
from dragoman.connectors._http.waiting import asked_wait
from dragoman.core import clock
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.patience import Patience, handed_on

__all__ = ["Answer", "Client"]

CONNECT_TIMEOUT = 10.0
MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PLAIN = {"User-Agent": f"dragoman/{__version__}", "Accept-Encoding": "gzip"}


@dataclass(frozen=True)
class Answer:
    """What came back. ``headers`` by lower-case name; ``location`` is what was asked for, before redirects."""

    location: Location
    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Sends GET requests to one server. Not for several threads at once."""

    def __init__(self, endpoint: Endpoint, *, timeout: float = 60.0, max_bytes: int = 64 << 20) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._deadline = Deadline()
        self._pools: dict[str, httpcore.ConnectionPool] = {}
        self.mask = Mask(*endpoint.secrets)

    def get(self, location: Location, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to one GET; what may pass is tried again within the budget of ``waiting.py``.

        Raises:
            RetriableError: ``http.unavailable``, ``http.throttled``, ``http.timeout``, ``http.unreachable``,
                ``http.name``, ``http.truncated``, after the last try.
            FatalError: ``http.denied``, ``http.not_found``, ``http.refused``, ``http.redirect``, ``http.address``,
                ``http.certificate``, ``http.too_large``, ``http.encoding``.
        """
        patience = Patience()
        while True:
            try:
                return self._follow(location, headers or {})
            except RetriableError as error:
                wait = patience.next_wait(error.retry_after)
                if wait is None:
                    raise RetriableError(
                        error.code,
                        f"{error.message}, after {patience.told}",
                        next_step=error.next_step,
                        retry_after=handed_on(error.retry_after),
                        outage=error.outage,
                    ) from error
                clock.sleep(wait)

    def close(self) -> None:
        """Give back the connections."""
        for pool in self._pools.values():
            pool.close()

    def _follow(self, location: Location, headers: Mapping[str, str]) -> Answer:
        self._deadline.start(self._timeout)
        here = location
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._send(here, headers)
            if answer.status in _REDIRECTS and "location" in answer.headers:
                here = self._redirected(here, answer.headers["location"])
                continue
            if 200 <= answer.status < 300:
                return Answer(location, answer.status, answer.headers, answer.body)
            raise error_of(answer.status, here.shown, self.mask.excerpt(answer.body), asked_wait(answer.headers))
        raise FatalError(
            "http.redirect",
            f"{location.shown} was redirected more than {MAX_REDIRECTS} times, last to {here.shown}",
            next_step="write the path that the server redirects to",
        )

    def _send(self, here: Location, headers: Mapping[str, str]) -> Answer:
        sent = {"Accept": "application/json", "Host": here.authority, **_PLAIN}
        if self._trusts(here):
            sent |= {**headers, **self._endpoint.credentials}
        request = httpcore.Request(
            "GET",
            httpcore.URL(
                scheme=here.scheme.encode(), host=here.host.encode(), port=here.port, target=here.target.encode()
            ),
            headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in sent.items()],
            extensions={
                "timeout": {
                    "connect": min(CONNECT_TIMEOUT, self._timeout),
                    "read": self._timeout,
                    "write": self._timeout,
                    "pool": self._timeout,
                }
            },
        )
        try:
            response = self._pool(here.scheme).handle_request(request)
            try:
                received = headers_of(response.headers)
                chunks = response.iter_stream()
                body = read_body(chunks, received.get("content-encoding", ""), self._max_bytes, here.shown)
            finally:
                response.close()
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise failure_of(here, error, self._timeout, self.mask) from error
        return Answer(here, response.status, received, body)

    def _pool(self, scheme: str) -> httpcore.ConnectionPool:
        """Connections are kept by scheme; the context of TLS is only made where it is needed."""
        pool = self._pools.get(scheme)
        if pool is None:
            pool = httpcore.ConnectionPool(
                ssl_context=tls_context(self._endpoint.ca) if scheme == "https" else None,
                max_connections=2,
                keepalive_expiry=20.0,
                network_backend=GuardedNetwork(self._deadline, self._endpoint.private),
            )
            self._pools[scheme] = pool
        return pool

    def _trusts(self, here: Location) -> bool:
        """Whether credentials may go there: the connection's own origin, or the same host by TLS instead of HTTP."""
        base = self._endpoint.base
        upgraded = (base.scheme, base.port, here.scheme, here.port) == ("http", 80, "https", 443)
        return here.origin == base.origin or (upgraded and here.host == base.host)

    def _redirected(self, here: Location, target: str) -> Location:
        try:
            there = here.join(target)
        except BadUrlError as error:
            raise self._not_followed(here, f"to a place that is no URL for a request: {error}") from error
        if here.scheme == "https" and there.scheme == "http":
            raise self._not_followed(here, f"from https to http ({there.shown})")
        return there

    @staticmethod
    def _not_followed(here: Location, why: str) -> FatalError:
        return FatalError(
            "http.redirect",
            f"{here.shown} redirects {why}",
            next_step="write the path that the server redirects to, or correct the connection",
        )
