"""A URL in its parts, read strictly: what two programs could read in two ways is refused.

Source: RFC 3986. Spaces are written %20, never ``+``, which some servers (OData V4) do not take for a space.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

__all__ = ["BadUrlError", "Location", "clean_path", "encode_query", "parse_location"]

PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_PATH_SAFE = "/-._~:,@!$'()*%+;=&"
_QUERY_SAFE = "-._~:,/@!$'()*"
_SECRET = re.compile(r"token|key|secret|passw|auth|sig|cred|session|jwt|code", re.IGNORECASE)


class BadUrlError(ValueError):
    """Why a text is no URL that may be requested; the caller knows where the text came from."""


@dataclass(frozen=True)
class Location:
    """Where a request goes. ``path`` and ``query`` are percent-encoded; there is no user, password or fragment."""

    scheme: str
    host: str
    port: int
    path: str = "/"
    query: str = ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: credentials never leave these three."""
        return (self.scheme, self.host, self.port)

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """What the request line asks for."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def url(self) -> str:
        """The whole URL, with whatever secrets its query holds."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def shown(self) -> str:
        """The URL as logs and rejects may show it: query values with a secret's name are masked."""
        parts = [part.partition("=") for part in self.query.split("&")] if self.query else []
        query = "&".join(f"{name}{sign}{'***' if _SECRET.search(name) else value}" for name, sign, value in parts)
        return replace(self, query=query).url

    def with_params(self, params: Mapping[str, Any]) -> Location:
        """The same place with these parameters in its query; one that is already there is replaced."""
        kept = [part for part in self.query.split("&") if part and unquote(part.partition("=")[0]) not in params]
        return replace(self, query="&".join(kept + [part for part in [encode_query(params)] if part]))

    def join(self, link: str) -> Location:
        """The place that a link found here leads to, absolute or relative. Raises ``BadUrlError``."""
        if _UNSAFE.search(link.strip()):
            raise BadUrlError("it holds blanks, control characters or a backslash")
        return parse_location(urljoin(self.url, link.strip()))


def parse_location(text: str) -> Location:
    """Read an absolute URL. Raises ``BadUrlError`` with the reason."""
    if _UNSAFE.search(text):
        raise BadUrlError("it holds blanks, control characters or a backslash")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadUrlError("its host or port cannot be read") from error
    if parts.scheme not in PORTS:
        raise BadUrlError(f"its scheme is {parts.scheme or 'missing'!s}, not http or https")
    if "@" in parts.netloc:
        raise BadUrlError("it holds a user or password")
    path = quote(parts.path or "/", safe=_PATH_SAFE)
    query = quote(parts.query, safe=_QUERY_SAFE + '%+&=;?[]{}|^`"<>')
    return Location(parts.scheme, clean_host(parts.hostname or ""), port or PORTS[parts.scheme], path, query)


def clean_host(host: str) -> str:
    """A host in ASCII and lower case. Raises ``BadUrlError``."""
    try:
        plain = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadUrlError(f"{host!r} is no host") from error
    if not _HOST.fullmatch(plain):
        raise BadUrlError(f"{host!r} is no host" if host else "it has no host")
    return plain.lower()


def clean_path(path: str) -> str:
    """A path below a base URL, percent-encoded. Raises ``BadUrlError`` for whole URLs, queries and ``..``."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path) or path.startswith("//"):
        raise BadUrlError("it is a whole URL, and the server is the connection's")
    if "?" in path or "#" in path:
        raise BadUrlError("it holds a query or a fragment; parameters stand in params")
    if re.search(r"[\x00-\x1f\x7f\\]", unquote(path)):
        raise BadUrlError("it holds control characters or a backslash")
    if any(part in {".", ".."} for part in unquote(path).split("/")):
        raise BadUrlError("it holds . or .., which lead out of the connection's base URL")
    return quote(path, safe=_PATH_SAFE)


def encode_query(params: Mapping[str, Any]) -> str:
    """Parameters as a query: a list repeats its name, booleans are true and false, None is left out."""
    pairs: list[str] = []
    for name, value in params.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            if each is not None:
                text = str(each).lower() if isinstance(each, bool) else str(each)
                pairs.append(f"{quote(name, safe=_QUERY_SAFE)}={quote(text, safe=_QUERY_SAFE)}")
    return "&".join(pairs)
