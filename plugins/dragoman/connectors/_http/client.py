"""GET, carefully: guarded addresses, a deadline, a limit, redirects by our own rules, tries again as the server asks.

Built on httpcore, the transport of httpx: it takes a network of our own and costs a third of httpx's import.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpcore

from dragoman import __version__
from dragoman.connectors._http.body import read_body
from dragoman.connectors._http.endpoint import Endpoint
from dragoman.connectors._http.location import BadUrlError, Location
from dragoman.connectors._http.masking import Mask
from dragoman.connectors._http.network import Deadline, GuardedNetwork
from dragoman.connectors._http.statuses import error_of
from dragoman.connectors._http.waiting import MAX_HANDED_ON, Patience, asked_wait
from dragoman.core import clock
from dragoman.core.errors import DOWN, FatalError, RetriableError

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
        self._secure: ssl.SSLContext | None = None
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
                    handed_on = None if error.retry_after is None else min(error.retry_after, MAX_HANDED_ON)
                    tries = "1 try" if patience.tries == 1 else f"{patience.tries} tries"
                    raise RetriableError(
                        error.code,
                        f"{error.message}, after {tries}",
                        next_step=error.next_step,
                        retry_after=handed_on,
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
                received = _headers(response.headers)
                chunks = response.iter_stream()
                body = read_body(chunks, received.get("content-encoding", ""), self._max_bytes, here.shown)
            finally:
                response.close()
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise self._broken(here, error) from error
        return Answer(here, response.status, received, body)

    def _pool(self, scheme: str) -> httpcore.ConnectionPool:
        """Connections are kept by scheme; the context of TLS is only made where it is needed."""
        pool = self._pools.get(scheme)
        if pool is None:
            base = self._endpoint.base
            private = {(base.host, base.port)} if self._endpoint.allow_private else set()
            if (base.host, 80) in private:
                private.add((base.host, 443))
            pool = httpcore.ConnectionPool(
                ssl_context=self._context() if scheme == "https" else None,
                max_connections=2,
                keepalive_expiry=20.0,
                network_backend=GuardedNetwork(self._deadline, frozenset(private)),
            )
            self._pools[scheme] = pool
        return pool

    def _context(self) -> ssl.SSLContext:
        if self._secure is None:
            if self._endpoint.ca:
                self._secure = ssl.create_default_context(cafile=self._endpoint.ca)
            else:
                self._secure = httpcore.default_ssl_context()
                self._secure.load_default_certs()
        return self._secure

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

    def _broken(self, here: Location, error: Exception) -> FatalError | RetriableError:
        """What a failed exchange means."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return FatalError(
                    "http.certificate",
                    f"the certificate of {here.authority} was refused: {cause.verify_message or cause}",
                    next_step="correct the server's certificate, or name its authority's file in the extra: ca",
                )
            cause = cause.__cause__ or cause.__context__
        said = self.mask.text(str(error)) or type(error).__name__
        if isinstance(error, httpcore.TimeoutException):
            return RetriableError(
                "http.timeout",
                f"{here.shown} did not answer in full within {self._timeout:g} s ({said})",
                next_step="write a longer timeout, or ask for smaller pages (paging.size)",
                outage=DOWN,
            )
        if isinstance(error, httpcore.ProtocolError):
            return RetriableError(
                "http.truncated",
                f"{here.shown} did not send a whole answer: {said}",
                next_step="nothing of it was taken over; if it stays so, look at the server or a proxy before it",
                outage=DOWN,
            )
        return RetriableError(
            "http.unreachable",
            f"{here.authority} cannot be reached: {said}",
            next_step="look at the connection's host and port, and whether the server is up",
            outage=DOWN,
        )


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; one that stands twice is joined by commas (RFC 9110, 5.2)."""
    done: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("ascii", "replace").lower(), value.decode("latin-1")
        done[key] = f"{done[key]}, {text}" if key in done else text
    return done
