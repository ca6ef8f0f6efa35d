"""Headers: those that are sent, checked, and those that came back, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dragoman.core.errors import ConfigError

__all__ = ["checked_headers", "headers_of", "open_headers"]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OWN = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "upgrade", "te"})
_SECRET = re.compile(r"auth|cookie|token|secret|passw|api[-_]?key|credential|signature", re.IGNORECASE)


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


def open_headers(headers: Mapping[str, Any], where: str) -> dict[str, str]:
    """Headers that stand in a YAML file, checked; one that holds a secret has no place there.

    Raises ``ConfigError`` ``http.secret_header`` or ``http.header``.
    """
    for name in headers:
        if _SECRET.search(name):
            raise ConfigError(
                "http.secret_header",
                f"the header {name} of {where} holds a secret, and a YAML file is no place for one",
                next_step="write it into the connection: login and password, or token, api_key or headers in the extra",
            )
    return checked_headers(headers, where)


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; one that stands twice is joined by commas (RFC 9110, 5.2)."""
    done: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("ascii", "replace").lower(), value.decode("latin-1")
        done[key] = f"{done[key]}, {text}" if key in done else text
    return done


def _bad_header(where: str, why: str) -> ConfigError:
    return ConfigError("http.header", f"a header of {where} cannot be sent: {why}", next_step="correct the header")
