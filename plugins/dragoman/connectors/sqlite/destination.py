"""Writing to a SQLite file: one transaction per run holds the rows and the proof of their delivery."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from dragoman.connectors._sql.delivery_table import NAME, DeliveryTable
from dragoman.connectors._sql.identifiers import (
    check_columns,
    check_needed,
    quote,
    quote_all,
    quote_table,
    split_table,
)
from dragoman.connectors._sql.isolate import Failure, isolate
from dragoman.connectors._sql.local_file import database_file
from dragoman.connectors._sql.native import native
from dragoman.connectors.sqlite.catalog import Table, read_table
from dragoman.connectors.sqlite.fitting import DECLARED, Fit, fit_column, plan
from dragoman.connectors.sqlite.session import connect, explain, run
from dragoman.core.batch import Refused
from dragoman.core.connection import Connection
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import type_of
from dragoman.core.ports import DeliverRequest, Position

__all__ = ["SqliteDestination", "SqliteSession", "open_destination"]

_DATA = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")

_T = TypeVar("_T")


def open_destination(connection: Connection, options: Mapping[str, Any]) -> SqliteDestination:
    """The destination of the manifest's ``destination:``; nothing is opened yet."""
    return SqliteDestination(connection, options)


class SqliteDestination:
    """A table in a SQLite file."""

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._table = str(options["table"])
        split_table(self._table)

    def deliver(self, request: DeliverRequest) -> SqliteSession:
        """Begin a run's transaction; another writer is waited for."""
        server = connect(self._connection)
        try:
            return SqliteSession(server, request, self._table)
        except sqlite3.Error as error:
            server.close()
            raise explain(error, f"opening the delivery to {self._table}") from error
        except BaseException:
            server.close()
            raise

    def last_token(self, integration: str, delivery: str) -> int:
        """The highest token seen; makes nothing."""
        return self._asked(lambda proof: proof.last_token(integration, delivery), 0)

    def positions_since(self, integration: str, delivery: str, token: int) -> list[Position]:
        """See ``ports.KeepsProof``."""
        return self._asked(lambda proof: proof.positions_since(integration, delivery, token), [])

    def forget(self, integration: str, delivery: str, before_run: str) -> int:
        """See ``ports.KeepsProof``."""
        if not database_file(self._connection).is_file():
            return 0
        server = connect(self._connection)
        try:
            if read_table(server, NAME) is None:
                return 0
            run(server, "BEGIN IMMEDIATE")
            found = _proof(server).forget(integration, delivery, before_run)
            run(server, "COMMIT")
        except sqlite3.Error as error:
            raise explain(error, f"removing old rows of {NAME}") from error
        else:
            return found
        finally:
            server.close()

    def close(self) -> None:
        """Nothing is kept between sessions."""

    def _asked(self, question: Callable[[DeliveryTable], _T], nothing: _T) -> _T:
        """The answer of the table of proofs, or ``nothing`` where there is none; makes nothing, not even a file."""
        if not database_file(self._connection).is_file():
            return nothing
        server = connect(self._connection, read_only=True)
        try:
            if read_table(server, NAME) is None:
                return nothing
            return question(_proof(server))
        except sqlite3.Error as error:
            raise explain(error, f"reading {NAME}") from error
        finally:
            server.close()


class SqliteSession:
    """One run's transaction."""

    def __init__(self, server: sqlite3.Connection, request: DeliverRequest, table: str) -> None:
        self._server = server
        self._request = request
        self._batches: dict[str, int] = {}
        self._proof = _proof(server)
        run(server, "PRAGMA foreign_keys = ON")
        run(server, "BEGIN IMMEDIATE")
        self._proof.create()
        self._applied = self._proof.enter(request)
        self._fits: list[Fit] = []
        self._insert = ""
        if not self._applied:
            self._open_table(table)

    def applied(self) -> bool:
        """Whether an earlier try of this run committed."""
        return self._applied

    def write(self, batch_id: str, outputs: pa.Table) -> list[Refused]:
        """Insert one batch; the rows that SQLite refuses come back."""
        if not self._insert:
            raise FatalError("sqlite.applied", f"run {self._request.run_id} is in this table already")
        table = native(outputs)
        refused: dict[int, Refused] = {}
        if self._request.mode == "upsert":
            for name in self._request.key:
                if table.column(name).null_count:
                    for row, value in enumerate(table.column(name).to_pylist()):
                        if value is None:
                            said = f"{name!r} is part of the key and is NULL"
                            refused.setdefault(row, Refused(row, "key.null", said, name))
        columns = [fit_column(fit, table.column(fit.name), refused) for fit in self._fits]
        places = [row for row in range(table.num_rows) if row not in refused]
        values = list(zip(*columns, strict=True))
        rows = [values[row] for row in places] if refused else values
        try:
            bad = isolate(len(rows), lambda start, stop: self._attempt(rows, start, stop))
        except sqlite3.Error as error:
            raise explain(error, f"writing batch {batch_id}") from error
        for row, why in bad:
            place = places[row]
            refused[place] = Refused(place, why.code, why.message, why.field, why.answer)
        self._batches[batch_id] = table.num_rows - len(refused)
        return [refused[row] for row in sorted(refused)]

    def commit(self, positions: str = "{}") -> None:
        """Make rows and proof visible together."""
        try:
            self._proof.record(self._request, self._batches, positions)
            run(self._server, "COMMIT")
        except sqlite3.Error as error:
            raise explain(error, "committing the delivery") from error

    def close(self) -> None:
        """Roll back what is not committed."""
        self._server.close()

    def _attempt(self, rows: Sequence[Sequence[Any]], start: int, stop: int) -> Failure | None:
        sent = 0

        def counted() -> Iterator[Sequence[Any]]:
            nonlocal sent
            for row in range(start, stop):
                sent += 1
                yield rows[row]

        run(self._server, "SAVEPOINT dragoman")
        try:
            self._server.executemany(self._insert, counted())
        except sqlite3.Error as error:
            name = str(getattr(error, "sqlite_errorname", ""))
            if not name.startswith(_DATA):
                raise
            run(self._server, "ROLLBACK TO SAVEPOINT dragoman")
            run(self._server, "RELEASE SAVEPOINT dragoman")
            field = str(error).rpartition(".")[2] if ": " in str(error) and "." in str(error) else ""
            return Failure(f"sqlite.{name.removeprefix('SQLITE_').lower()}", str(error), field, name, sent - 1)
        run(self._server, "RELEASE SAVEPOINT dragoman")
        return None

    def _open_table(self, name: str) -> None:
        request, server = self._request, self._server
        table = read_table(server, name)
        if table is None:
            if not request.create:
                raise FatalError(
                    "sqlite.no_table",
                    f"table {name} does not exist and create: is false",
                    next_step="create the table, or write create: true",
                )
            lines = [f"{quote(field.name)} {DECLARED[type_of(field).name]}" for field in request.schema]
            if request.key:
                lines = [
                    line + (" NOT NULL" if field.name in request.key else "")
                    for line, field in zip(lines, request.schema, strict=True)
                ]
                lines.append(f"PRIMARY KEY ({quote_all(request.key)})")
            schema, short = split_table(name)
            run(server, f"CREATE TABLE {quote_table(schema, short)} ({', '.join(lines)})")
            table = read_table(server, name)
        if table is None:
            raise FatalError("sqlite.no_table", f"table {name} was made and cannot be found")
        check_columns("sqlite", name, list(request.schema), list(table.columns))
        needed = [one.name for one in table.columns.values() if one.needed and not one.generated]
        check_needed("sqlite", name, list(request.schema), needed)
        self._fits = plan(list(request.schema), table)
        if request.mode == "replace":
            run(server, f"DELETE FROM {table.quoted}")
        self._insert = _insert(table, list(request.schema.names), request)


def _insert(table: Table, names: list[str], request: DeliverRequest) -> str:
    marks = ", ".join("?" for _ in names)
    head = f"INSERT INTO {table.quoted} ({quote_all(names)}) VALUES ({marks})"
    if request.mode != "upsert":
        return head
    key = request.key
    check_columns("sqlite", table.name, [pa.field(name, pa.null()) for name in key], list(table.columns))
    if frozenset(key) not in table.keys:
        raise FatalError(
            "sqlite.no_unique_key",
            f"table {table.name} has no unique index on exactly ({quote_all(key)}), which an upsert needs",
            next_step=f"CREATE UNIQUE INDEX {quote(table.name.replace('.', '_') + '_key')} "
            f"ON {table.quoted} ({quote_all(key)})",
        )
    updates = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in names if name not in key)
    return f"{head} ON CONFLICT ({quote_all(key)}) DO " + (f"UPDATE SET {updates}" if updates else "NOTHING")


def _proof(server: sqlite3.Connection) -> DeliveryTable:
    return DeliveryTable(lambda text, values: run(server, text, values), quote(NAME), mark="?", moment="text")
