"""Writing to PostgreSQL: one transaction per run holds the rows and the proof of their delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from dragoman.connectors._sql.delivery_table import DeliveryTable
from dragoman.connectors._sql.destination import SqlDestination
from dragoman.connectors.postgres.loading import PostgresLoader
from dragoman.connectors.postgres.proof import ProofPlace
from dragoman.connectors.postgres.session import connect, explain, run
from dragoman.core.connection import Connection
from dragoman.core.errors import DOWN, DragomanError, RetriableError
from dragoman.core.ports import DeliverRequest

__all__ = ["open_destination"]

_Server = psycopg.Connection[Any]


def open_destination(connection: Connection, options: Mapping[str, Any]) -> SqlDestination[_Server]:
    """The destination of the manifest's ``destination:``; nothing is opened yet."""
    return SqlDestination(_Postgres(connection, options))


class _Postgres:
    """See ``_sql/driver.py``."""

    system = "postgres"
    error: type[Exception] = psycopg.Error
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED"

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self.table = str(options["table"])
        self._place = ProofPlace(self.table, str(options.get("delivery_schema") or ""))
        self._lock_timeout = float(options.get("lock_timeout") or 60)

    def exists(self) -> bool:
        return True

    def connect(self, label: str = "", *, reading: bool = False) -> _Server:
        del reading
        return connect(self._connection, name=label) if label else connect(self._connection)

    def run(self, server: _Server, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return run(server, text, values)

    def explain(self, error: psycopg.Error, doing: str) -> DragomanError:
        return explain(error, doing)

    def proof(self, server: _Server) -> DeliveryTable | None:
        return self._place.existing(server)

    def enter(self, server: _Server, request: DeliverRequest) -> DeliveryTable | None:
        """The table of proofs is made in a transaction of its own, so that first runs do not wait for each other."""
        run(server, f"SET lock_timeout = {int(self._lock_timeout * 1000)}")
        run(server, "SET timezone = 'UTC'")
        run(server, "SET datestyle = 'ISO, YMD'")
        proof = self._place.made(server, request)
        run(server, self.begin)
        return proof

    def open_table(self, server: _Server, request: DeliverRequest) -> PostgresLoader:
        return PostgresLoader(server, request, self.table)

    def commit(self, server: _Server) -> None:
        try:
            run(server, "COMMIT")
        except psycopg.Error as error:
            if error.sqlstate is None or server.broken:
                raise RetriableError(
                    "postgres.commit_unknown",
                    "the connection broke while the server was committing; whether it has is read at the next try",
                    outage=DOWN,
                ) from error
            raise explain(error, "committing the delivery") from error
