"""A resolved connection, and how Airflow's own notation for one is read.

Source of the notation: Airflow's documentation, "Managing Connections": ``AIRFLOW_CONN_<ID>`` holds a URI or a JSON
object with ``conn_type, host, login, password, schema, port, extra``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from dragoman.core.errors import ConfigError

__all__ = [
    "Connection",
    "ConnectionStore",
    "EnvironmentConnections",
    "from_fields",
    "parse_connection",
    "unknown_connection",
    "variable_of",
]

_SAME_TYPE = {"postgresql": "postgres", "postgres+psycopg": "postgres", "https": "http", "fs": "file", "local": "file"}


@dataclass(frozen=True)
class Connection:
    """What a connector needs to reach its system. ``scheme`` keeps the URI's own word (``https``, ``s3``)."""

    conn_id: str
    conn_type: str
    scheme: str = ""
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    path: str = ""
    """The URI's path (``/data/inbox``, a bucket's prefix) or Airflow's ``schema`` (a database name)."""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


class ConnectionStore(Protocol):
    """Where connections come from: the environment, then Airflow's own store."""

    def get(self, conn_id: str) -> Connection:
        """Raises ``ConfigError`` ``connection.unknown`` that lists every place that was searched."""
        ...


def parse_connection(conn_id: str, text: str) -> Connection:
    """Read a URI or Airflow's JSON form. Secrets never stand in the error."""
    text = text.strip()
    if text.startswith("{"):
        return _from_json(conn_id, text)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise _bad(conn_id, "its URI cannot be read (host or port)") from error
    if not url.scheme:
        raise _bad(conn_id, "no scheme such as file:// or postgresql:// was found")
    extra: dict[str, Any] = dict(parse_qsl(url.query, keep_blank_values=True))
    nested = extra.pop("__extra__", None)
    if nested:
        try:
            extra |= json.loads(nested)
        except ValueError as error:
            raise _bad(conn_id, "__extra__ is not JSON") from error
    scheme = url.scheme.replace("-", "_")
    return Connection(
        conn_id=conn_id,
        conn_type=_SAME_TYPE.get(scheme, scheme),
        scheme=scheme,
        host=unquote(url.hostname or "") if url.scheme != "s3" else unquote(url.netloc.rpartition("@")[2]),
        port=port,
        login=unquote(url.username or ""),
        password=unquote(url.password or ""),
        path=unquote(url.path),
        extra=extra,
    )


def _from_json(conn_id: str, text: str) -> Connection:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise _bad(conn_id, "it is not JSON") from error
    extra = body.get("extra") or {}
    if isinstance(extra, str):
        try:
            extra = json.loads(extra)
        except ValueError as error:
            raise _bad(conn_id, "its extra is not JSON") from error
    return from_fields(
        conn_id,
        conn_type=str(body.get("conn_type") or ""),
        host=body.get("host"),
        port=body.get("port"),
        login=body.get("login"),
        password=body.get("password"),
        schema=body.get("schema"),
        extra=extra,
    )


def from_fields(
    conn_id: str,
    *,
    conn_type: str,
    host: str | None,
    port: int | str | None,
    login: str | None,
    password: str | None,
    schema: str | None,
    extra: Mapping[str, Any],
) -> Connection:
    """A connection from Airflow's seven fields. A host that holds a scheme (``https://x``) gives its scheme."""
    scheme, host = conn_type, host or ""
    if "://" in host:
        inner = urlsplit(host)
        scheme, path = inner.scheme, inner.path
        host, port = inner.hostname or "", port or inner.port
        schema = schema or path
    elif conn_type == "http" and schema in {"http", "https"}:
        scheme, schema = schema, ""
    if schema and not host and not schema.startswith("/"):
        schema = f"/{schema}"  # Airflow's store keeps file:///data/inbox without its third slash
    return Connection(
        conn_id=conn_id,
        conn_type=_SAME_TYPE.get(conn_type, conn_type),
        scheme=scheme,
        host=host,
        port=int(port) if port else None,
        login=login or "",
        password=password or "",
        path=schema or str(extra.get("path", "")),
        extra=dict(extra),
    )


def _bad(conn_id: str, why: str) -> ConfigError:
    return ConfigError(
        "connection.malformed",
        f"connection {conn_id!r} cannot be read: {why}",
        next_step=f"set AIRFLOW_CONN_{conn_id.upper()} to a URI such as postgresql://user:pass@host:5432/db",
    )


class EnvironmentConnections:
    """Connections from ``AIRFLOW_CONN_<ID>``, as Airflow itself reads them first."""

    def get(self, conn_id: str) -> Connection:
        """The connection of that id; ``ConfigError`` ``connection.unknown`` where no variable holds one."""
        found = self.find(conn_id)
        if found is None:
            raise unknown_connection(conn_id, "Airflow's own store was not asked here")
        return found

    @staticmethod
    def find(conn_id: str) -> Connection | None:
        """The connection, or None."""
        text = os.environ.get(variable_of(conn_id))
        return parse_connection(conn_id, text) if text else None


def variable_of(conn_id: str) -> str:
    """The environment variable that holds a connection."""
    return f"AIRFLOW_CONN_{conn_id.upper()}"


def unknown_connection(conn_id: str, elsewhere: str) -> ConfigError:
    """The error that lists every place that was searched."""
    return ConfigError(
        "connection.unknown",
        f"connection {conn_id!r} was not found: the environment has no {variable_of(conn_id)}, and {elsewhere}",
        next_step=f"export {variable_of(conn_id)}='postgresql://user:pass@host:5432/db' (or file:///data/inbox, …), "
        f"or: airflow connections add {conn_id} --conn-uri '…'",
    )
