"""What a connection says about an HTTP server: where it is and what proves who asks."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dragoman.connectors._http.headers import checked_headers
from dragoman.connectors._http.location import PORTS, BadUrlError, Location, clean_host, clean_path
from dragoman.core.connection import Connection
from dragoman.core.errors import ConfigError

__all__ = ["Endpoint", "endpoint_of"]

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"", "false", "0", "no", "off", "none"})


@dataclass(frozen=True)
class Endpoint:
    """A server. ``credentials`` are headers that only its own origin gets; ``secrets`` are to be masked."""

    conn_id: str
    base: Location
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    allow_private: bool = False
    ca: str = ""

    @property
    def private(self) -> frozenset[tuple[str, int]]:
        """Hosts and ports that may have a private address: the connection's own, where it says so."""
        if not self.allow_private:
            return frozenset()
        host, port = self.base.host, self.base.port
        return frozenset({(host, port), (host, 443)} if port == PORTS["http"] else {(host, port)})

    def at(self, path: str) -> Location:
        """A path below the base URL. Raises ``BadUrlError``."""
        inner = clean_path(path).lstrip("/")
        base = self.base.path.rstrip("/")
        return Location(self.base.scheme, self.base.host, self.base.port, f"{base}/{inner}" if inner else base or "/")


def endpoint_of(connection: Connection) -> Endpoint:
    """Read a connection. Raises ``ConfigError`` (``http.connection``, ``http.header``, ``http.verify``)."""
    extra = connection.extra
    if not _flag(connection, "verify", default=True):
        raise ConfigError(
            "http.verify",
            f"connection {connection.conn_id!r} turns the check of certificates off, which is not possible",
            next_step="name the authority's file in the extra: ca",
        )
    scheme = connection.scheme if connection.scheme in PORTS else "http"
    try:
        base = Location(
            scheme,
            clean_host(connection.host),
            connection.port or PORTS[scheme],
            "/" + clean_path(connection.path).lstrip("/"),
        )
    except BadUrlError as error:
        raise _wrong(connection, f"its base URL cannot be used: {error}") from error
    ca = str(extra.get("ca") or "")
    if ca and not Path(ca).is_file():
        raise _wrong(connection, f"its ca names {ca}, and there is no such file")
    credentials = _credentials(connection)
    return Endpoint(
        conn_id=connection.conn_id,
        base=base,
        credentials=credentials,
        secrets=_secrets(connection, credentials),
        allow_private=_flag(connection, "allow_private", default=False),
        ca=ca,
    )


def _credentials(connection: Connection) -> dict[str, str]:
    extra = connection.extra
    headers = _more_headers(connection)
    token, key = str(extra.get("token") or ""), str(extra.get("api_key") or "")
    if token and (connection.login or connection.password):
        raise _wrong(connection, "it has both a token and a login, and a request carries one of them")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    elif connection.login or connection.password:
        pair = f"{connection.login}:{connection.password}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode("ascii")
    if key:
        headers[str(extra.get("api_key_header") or "X-Api-Key")] = key
    return checked_headers(headers, f"connection {connection.conn_id!r}")


def _more_headers(connection: Connection) -> dict[str, Any]:
    more = connection.extra.get("headers") or {}
    if isinstance(more, str):
        try:
            more = json.loads(more)
        except ValueError as error:
            raise _wrong(connection, "the headers in its extra are not JSON") from error
    if not isinstance(more, Mapping):
        raise _wrong(connection, "the headers in its extra are no map of names to values")
    return {str(name): value for name, value in more.items()}


def _secrets(connection: Connection, credentials: Mapping[str, str]) -> tuple[str, ...]:
    values = [connection.password, *credentials.values()]
    return tuple(part for value in values for part in (value, value.partition(" ")[2]) if part)


def _flag(connection: Connection, name: str, *, default: bool) -> bool:
    """A yes or no of the extra; in a URI it is text."""
    value = connection.extra.get(name)
    if value is None or isinstance(value, bool):
        return default if value is None else value
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise _wrong(connection, f"its {name} is {word[:20]!r}, not true or false")
    return word in _TRUE


def _wrong(connection: Connection, why: str) -> ConfigError:
    return ConfigError(
        "http.connection",
        f"connection {connection.conn_id!r} cannot be used: {why}",
        next_step="correct the connection; as a URI it reads https://user:password@api.example.com/v1",
    )
