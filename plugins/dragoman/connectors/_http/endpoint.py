"""What a connection says about an HTTP server: where it is and what proves who asks."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dragoman.connectors._http.location import PORTS, BadUrlError, Location, clean_host, clean_path
from dragoman.core.connection import Connection
from dragoman.core.errors import ConfigError

__all__ = ["Endpoint", "checked_headers", "endpoint_of"]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OWN = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "upgrade", "te"})
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


def checked_headers(headers: Mapping[str, Any], where: str) -> dict[str, str]:
    """Headers as they may be sent; a line break in one would add headers or a whole request.

    Raises ``ConfigError`` ``http.header``.
    """
    done: dict[str, str] = {}
    for name, value in headers.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if not _NAME.fullmatch(name):
            raise _bad_header(where, f"{name!r} is no name of a header")
        if name.lower() in _OWN:
            raise _bad_header(where, f"{name} is set by the connector itself")
        if not _VALUE.fullmatch(text):
            raise _bad_header(where, f"the value of {name} holds control characters or is not Latin-1")
        done[name] = text
    return done


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


def _bad_header(where: str, why: str) -> ConfigError:
    return ConfigError("http.header", f"a header of {where} cannot be sent: {why}", next_step="correct the header")
