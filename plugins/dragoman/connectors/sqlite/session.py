"""Opening a SQLite file, and what its errors mean to the runner.

Result codes: sqlite.org, "Result and Error Codes".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from dragoman.connectors._sql.local_file import database_file
from dragoman.core.connection import Connection
from dragoman.core.errors import DragomanError, FatalError, RetriableError

__all__ = ["connect", "explain", "run"]

_WAIT_SECONDS = 60.0
_MAY_PASS = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PROTOCOL")


def connect(connection: Connection, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection without implicit transactions; a writer is waited for up to a minute.

    Raises:
        FatalError: the folder or, for reading, the file is missing.
    """
    path = database_file(connection, must_exist=read_only)
    mode = "ro" if read_only else "rwc"
    wait = float(connection.extra.get("timeout") or _WAIT_SECONDS)
    try:
        return sqlite3.connect(
            f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=wait, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise explain(error, f"opening {path}") from error


def run(server: sqlite3.Connection, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Execute one statement and fetch its rows."""
    return server.execute(text, tuple(values)).fetchall()


def explain(error: sqlite3.Error, doing: str) -> DragomanError:
    """The error of this package for what SQLite said while ``doing`` something."""
    name = str(getattr(error, "sqlite_errorname", "") or "SQLITE_ERROR")
    code = "sqlite." + name.removeprefix("SQLITE_").lower()
    if name.startswith(_MAY_PASS):
        return RetriableError(code, f"{doing}: {error}")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return FatalError(code, f"{doing}: {error}", next_step="let the user of this process read and write the file")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return FatalError(code, f"{doing}: {error}", next_step="name another file; this one is no whole database")
    return FatalError(code, f"{doing}: {error}", next_step="correct the integration or the table")
