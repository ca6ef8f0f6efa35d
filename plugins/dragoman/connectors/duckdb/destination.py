"""Writing to a DuckDB file: one transaction per run holds the rows and the proof of their delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from dragoman.connectors._sql.delivery_table import NAME, DeliveryTable
from dragoman.connectors._sql.destination import SqlDestination
from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.local_file import database_file
from dragoman.connectors.duckdb.catalog import read_table
from dragoman.connectors.duckdb.loading import DuckdbLoader
from dragoman.connectors.duckdb.session import connect, explain, run
from dragoman.core.connection import Connection
from dragoman.core.errors import DragomanError
from dragoman.core.ports import DeliverRequest

__all__ = ["open_destination"]


def open_destination(connection: Connection, options: Mapping[str, Any]) -> SqlDestination[duckdb.DuckDBPyConnection]:
    """The destination of the manifest's ``destination:``; nothing is opened yet."""
    return SqlDestination(_Duckdb(connection, str(options["table"])))


class _Duckdb:
    """See ``_sql/driver.py``."""

    system = "duckdb"
    error: type[Exception] = duckdb.Error
    begin = "BEGIN"

    def __init__(self, connection: Connection, table: str) -> None:
        self._connection = connection
        self.table = table

    def exists(self) -> bool:
        return database_file(self._connection).is_file()

    def connect(self, label: str = "", *, reading: bool = False) -> duckdb.DuckDBPyConnection:
        del label, reading
        return connect(self._connection)

    def run(self, server: duckdb.DuckDBPyConnection, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return run(server, text, values)

    def explain(self, error: duckdb.Error, doing: str) -> DragomanError:
        return explain(error, doing)

    def proof(self, server: duckdb.DuckDBPyConnection) -> DeliveryTable | None:
        return _proof(server) if read_table(server, NAME) else None

    def enter(self, server: duckdb.DuckDBPyConnection, request: DeliverRequest) -> DeliveryTable:
        del request
        run(server, self.begin)
        proof = _proof(server)
        proof.create()
        return proof

    def open_table(self, server: duckdb.DuckDBPyConnection, request: DeliverRequest) -> DuckdbLoader:
        return DuckdbLoader(server, request, self.table)

    def commit(self, server: duckdb.DuckDBPyConnection) -> None:
        try:
            run(server, "COMMIT")
        except duckdb.Error as error:
            raise explain(error, "committing the delivery") from error


def _proof(server: duckdb.DuckDBPyConnection) -> DeliveryTable:
    return DeliveryTable(lambda text, values: run(server, text, values), quote(NAME), mark="?")
