"""Connecting to PostgreSQL, and what its errors mean to the runner.

Classes of SQLSTATE: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from dragoman.core.connection import Connection
from dragoman.core.errors import DOWN, DragomanError, FatalError, RetriableError

__all__ = ["connect", "explain", "run"]

_PASSED_ON = (
    "host",
    "hostaddr",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "channel_binding",
    "gssencmode",
    "target_session_attrs",
    "options",
    "passfile",
    "connect_timeout",
)
_DOWN = ("08", "57P01", "57P02", "57P03", "53300")
"""The connection broke, the server is shut down or starting, or it has no connection left: others will fail too."""
_MAY_PASS = (*_DOWN, "53", "40001", "40P01", "55P03", "55006", "57014", "57P05", "25P03")
"""Besides: no memory or disk, a conflict with another transaction, a lock, a time limit of the server."""
_HOPELESS = ("authentication failed", "no pg_hba.conf entry", "does not exist", "no password supplied", "invalid port")


def connect(connection: Connection, *, name: str = "dragoman") -> psycopg.Connection[Any]:
    """A connection in autocommit mode; transactions are begun and ended by statement.

    Raises:
        RetriableError: ``postgres.unreachable``: the server does not answer, or is full or starting.
        FatalError: ``postgres.refused``: it answers that role, password or database are wrong.
    """
    settings: dict[str, Any] = {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    if connection.host:
        settings["host"] = connection.host
    settings |= {key: value for key, value in connection.extra.items() if key in _PASSED_ON}
    settings |= {
        "port": connection.port,
        "user": connection.login or None,
        "password": connection.password or None,
        "dbname": connection.path.strip("/") or None,
        "application_name": name[:60],
        "client_encoding": "UTF8",
    }
    try:
        return psycopg.connect(autocommit=True, prepare_threshold=None, **settings)
    except psycopg.Error as error:
        said = _sentence(error)
        if any(word in said for word in _HOPELESS):
            raise FatalError(
                "postgres.refused",
                f"connection {connection.conn_id!r}: {said}",
                next_step="correct the login, password, host or database of the connection",
            ) from error
        raise RetriableError(
            "postgres.unreachable", f"connection {connection.conn_id!r}: {said}", outage=DOWN
        ) from error


def run(server: psycopg.Connection[Any], text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Execute one statement and fetch its rows, if it gives any."""
    cursor = server.execute(text, values or None)
    return cursor.fetchall() if cursor.description is not None else []


def explain(error: psycopg.Error, doing: str) -> DragomanError:
    """The error of this package for what the server (or the lack of it) said while ``doing`` something."""
    state = error.sqlstate or ""
    text = f"{doing}: {_sentence(error)}"
    if not state or state.startswith(_MAY_PASS):
        outage = DOWN if not state or state.startswith(_DOWN) else ""
        return RetriableError(f"postgres.{state or 'connection'}", text, outage=outage)
    if state == "42501":
        return FatalError("postgres.permission", text, next_step="grant the role of the connection what it lacks")
    if state in {"42P01", "3F000"}:
        return FatalError("postgres.no_table", text, next_step="correct the table's name, or create it")
    if state == "25006":
        return FatalError("postgres.read_only", text, next_step="use a query that only reads, or a writable server")
    return FatalError(f"postgres.{state}", text, next_step="correct the integration or the table, then run it again")


def _sentence(error: psycopg.Error) -> str:
    """The server's own sentence with its detail, on one line."""
    parts = [error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__]
    if error.diag.message_detail:
        parts.append(error.diag.message_detail)
    return " ".join(parts)
