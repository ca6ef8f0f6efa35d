"""Writing to a SQLite file: one transaction per run holds the rows and the proof of their delivery."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.connectors._sql.delivery_table import NAME, DeliveryTable
from dragoman.connectors._sql.destination import SqlDestination
from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.local_file import database_file
from dragoman.connectors.sqlite.catalog import read_table
from dragoman.connectors.sqlite.loading import SqliteLoader
from dragoman.connectors.sqlite.session import connect, explain, run
from dragoman.core.connection import Connection
from dragoman.core.errors import DragomanError
from dragoman.core.ports import DeliverRequest

__all__ = ["open_destination"]


def open_destination(connection: Connection, options: Mapping[str, Any]) -> SqlDestination[sqlite3.Connection]:
    """The destination of the manifest's ``destination:``; nothing is opened yet."""
    return SqlDestination(_Sqlite(connection, str(options["table"])))


class _Sqlite:
    """See ``_sql/driver.py``."""

    system = "sqlite"
    error: type[Exception] = sqlite3.Error
    begin = "BEGIN IMMEDIATE"

    def __init__(self, connection: Connection, table: str) -> None:
        self._connection = connection
        self.table = table

    def exists(self) -> bool:
        return database_file(self._connection).is_file()

    def connect(self, label: str = "", *, reading: bool = False) -> sqlite3.Connection:
        del label
        return connect(self._connection, read_only=reading)

    def run(self, server: sqlite3.Connection, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return run(server, text, values)

    def explain(self, error: sqlite3.Error, doing: str) -> DragomanError:
        return explain(error, doing)

    def proof(self, server: sqlite3.Connection) -> DeliveryTable | None:
        return _proof(server) if read_table(server, NAME) else None

    def enter(self, server: sqlite3.Connection, request: DeliverRequest) -> DeliveryTable:
        del request
        run(server, "PRAGMA foreign_keys = ON")
        run(server, self.begin)
        proof = _proof(server)
        proof.create()
        return proof

    def open_table(self, server: sqlite3.Connection, request: DeliverRequest) -> SqliteLoader:
        return SqliteLoader(server, request, self.table)

    def commit(self, server: sqlite3.Connection) -> None:
        try:
            run(server, "COMMIT")
        except sqlite3.Error as error:
            raise explain(error, "committing the delivery") from error


def _proof(server: sqlite3.Connection) -> DeliveryTable:
    return DeliveryTable(lambda text, values: run(server, text, values), quote(NAME), mark="?", moment="text")
