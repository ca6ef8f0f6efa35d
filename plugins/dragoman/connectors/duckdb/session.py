"""Opening a DuckDB file, and what its errors mean to the runner."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import duckdb

from dragoman.connectors._sql.local_file import database_file
from dragoman.core import clock
from dragoman.core.connection import Connection
from dragoman.core.errors import DragomanError, FatalError, RetriableError

__all__ = ["PATIENCE", "connect", "explain", "run"]

PATIENCE = 30.0
"""Seconds to wait for another process that has the file open."""
_LOOK_AGAIN = 0.1
_HELD = "Could not set lock"

_SETTINGS = {"enable_external_access": "false", "python_enable_replacements": "false"}


def connect(
    connection: Connection, *, must_exist: bool = False, patience: float | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection that reaches this file and nothing else.

    DuckDB lets one process alone open a file to write, so another run's turn is waited for: ``patience`` seconds.

    Raises:
        RetriableError: ``duckdb.busy``: another process had the file open all that time.
        FatalError: the folder or, for reading, the file is missing, or it is no database of DuckDB.
    """
    path = database_file(connection, must_exist=must_exist)
    read_only = path.is_file() and not os.access(path, os.W_OK)
    until = clock.monotonic() + (PATIENCE if patience is None else patience)
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config=dict(_SETTINGS))
        except duckdb.Error as error:
            if _HELD not in str(error) or clock.monotonic() >= until:
                raise explain(error, f"opening {path}") from error
        clock.sleep(_LOOK_AGAIN)


def run(server: duckdb.DuckDBPyConnection, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Execute one statement and fetch its rows."""
    return list(server.execute(text, list(values)).fetchall())


def explain(error: duckdb.Error, doing: str) -> DragomanError:
    """The error of this package for what DuckDB said while ``doing`` something."""
    said = str(error).partition("\n")[0]
    if _HELD in said or "different configuration" in said:
        return RetriableError("duckdb.busy", f"{doing}: {said}", next_step="close the other program that has it open")
    if isinstance(error, duckdb.IOException) and "not a valid DuckDB database file" in said:
        return FatalError("duckdb.not_a_database", f"{doing}: {said}", next_step="name another file")
    if isinstance(error, duckdb.IOException) and "Permission denied" in said:
        return FatalError("duckdb.permission", f"{doing}: {said}", next_step="let this process read and write the file")
    if isinstance(error, (duckdb.IOException, duckdb.TransactionException, duckdb.OutOfMemoryException)):
        return RetriableError(f"duckdb.{_name(error)}", f"{doing}: {said}")
    return FatalError(
        f"duckdb.{_name(error)}",
        f"{doing}: {said}",
        next_step="correct the integration or the table",
    )


def _name(error: duckdb.Error) -> str:
    return type(error).__name__.removesuffix("Exception").removesuffix("Error").lower() or "error"
