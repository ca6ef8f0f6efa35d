"""Rows into a SQLite table and out of it, statement by statement, so that they take effect in their order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from dragoman.connectors._sql.identifiers import (
    check_case,
    check_columns,
    check_needed,
    quote,
    quote_all,
    quote_table,
    split_table,
)
from dragoman.connectors._sql.incomplete import incomplete
from dragoman.connectors._sql.isolate import Failure, isolate
from dragoman.connectors._sql.upserts import KEPT, check_upsert, on_conflict, overwritten
from dragoman.connectors.sqlite.catalog import Table, read_table
from dragoman.connectors.sqlite.fitting import DECLARED, Fit, fit_column, plan
from dragoman.connectors.sqlite.session import run
from dragoman.core.batch import Refused
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import type_of
from dragoman.core.ports import DeliverRequest

__all__ = ["SqliteLoader"]

_DATA = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")


class SqliteLoader:
    """See ``_sql/driver.py``."""

    def __init__(self, server: sqlite3.Connection, request: DeliverRequest, name: str) -> None:
        self.superseded = 0
        self._server = server
        self._request = request
        table = self._table = _opened(server, request, name)
        outputs = list(request.schema)
        if request.mode == "delete":
            outputs = [field for field in outputs if field.name in request.key]
        check_columns("sqlite", name, outputs, list(table.columns))
        if request.mode != "delete":
            check_needed("sqlite", name, outputs, [one.name for one in table.columns.values() if one.takes_no_null])
        self._fits = plan(outputs, table)
        if request.mode == "replace":
            run(server, f"DELETE FROM {table.quoted}")
        self._insert = "" if request.mode == "delete" else _insert(table, request)
        same = " AND ".join(f"{quote(name)} = ?" for name in request.key)
        self._delete = f"DELETE FROM {table.quoted} WHERE {same}"
        self._left = f"SELECT 1 FROM {table.quoted} WHERE {same}"
        self._counted = self._insert_counts()

    def load(self, outputs: pa.Table) -> list[Refused]:
        """Insert or upsert, row by row."""
        refused = incomplete(outputs, self._request)
        return self._execute(self._insert, self._fits, outputs, refused, counted=self._counted)

    def erase(self, keys: pa.Table) -> list[Refused]:
        """Delete, key by key."""
        fits = {fit.name: fit for fit in self._fits}
        refused = incomplete(keys, self._request, erasing=True)
        return self._execute(self._delete, [fits[name] for name in self._request.key], keys, refused, counted=False)

    def finish(self) -> None:
        """Nothing is left to do."""

    def _insert_counts(self) -> bool:
        """Whether SQLite counts each row that it takes; it counts none that a view's trigger handles."""
        return not self._table.is_view and (self._request.mode != "upsert" or bool(overwritten(self._request)))

    def _execute(
        self, text: str, fits: Sequence[Fit], rows: pa.Table, refused: dict[int, Refused], *, counted: bool
    ) -> list[Refused]:
        columns = [fit_column(fit, rows.column(fit.name), refused) for fit in fits]
        places = [row for row in range(rows.num_rows) if row not in refused]
        values = list(zip(*columns, strict=True))
        good = [values[row] for row in places] if refused else values
        bad = isolate(len(good), lambda start, stop: self._attempt(text, good[start:stop], counted=counted))
        for row, why in bad:
            place = places[row]
            refused[place] = Refused(place, why.code, why.message, why.field, why.answer)
        return list(refused.values())

    def _attempt(self, text: str, rows: Sequence[Sequence[Any]], *, counted: bool) -> Failure | None:
        sent = 0

        def told() -> Iterator[Sequence[Any]]:
            nonlocal sent
            for row in rows:
                sent += 1
                yield row

        run(self._server, "SAVEPOINT dragoman")
        failure: Failure | None = None
        try:
            taken = self._server.executemany(text, told()).rowcount
        except sqlite3.Error as error:
            name = str(getattr(error, "sqlite_errorname", ""))
            if not name.startswith(_DATA):
                raise
            field = str(error).rpartition(".")[2] if ": " in str(error) and "." in str(error) else ""
            failure = Failure(f"sqlite.{name.removeprefix('SQLITE_').lower()}", str(error), field, name, sent - 1)
        else:
            if counted and self._request.version:
                self.superseded += len(rows) - taken
            elif counted and taken != len(rows):
                failure = Failure("sqlite.not_taken", _NOT_TAKEN)
            elif text == self._delete and self._table.has_triggers:
                kept = next((number for number, key in enumerate(rows) if run(self._server, self._left, key)), None)
                failure = None if kept is None else Failure("sqlite.not_taken", _NOT_ERASED, row=kept)
        if failure:
            run(self._server, "ROLLBACK TO SAVEPOINT dragoman")
        run(self._server, "RELEASE SAVEPOINT dragoman")
        return failure


_NOT_TAKEN = "SQLite took the row without an error and did not store it: a trigger of the table leaves it out"
_NOT_ERASED = "SQLite took the key without an error and its row is still there: a trigger of the table keeps it"


def _opened(server: sqlite3.Connection, request: DeliverRequest, name: str) -> Table:
    check_case("SQLite", request.schema.names)
    table = read_table(server, name)
    if table is None:
        if not request.create or request.mode == "delete":
            raise FatalError(
                "sqlite.no_table",
                f"table {name} does not exist and is not made: create: is false, or the mode is delete",
                next_step="create the table, or write create: true where rows are to be written",
            )
        lines = [
            f"{quote(field.name)} {DECLARED[type_of(field).name]}" + (" NOT NULL" if field.name in request.key else "")
            for field in request.schema
        ]
        if request.key:
            lines.append(f"PRIMARY KEY ({quote_all(request.key)})")
        run(server, f"CREATE TABLE {quote_table(*split_table(name))} ({', '.join(lines)})")
        table = read_table(server, name)
    if table is None:
        raise FatalError("sqlite.no_table", f"table {name} was made and cannot be found")
    return table


def _insert(table: Table, request: DeliverRequest) -> str:
    names = request.schema.names
    head = f"INSERT INTO {table.quoted} AS {KEPT} ({quote_all(names)}) VALUES ({', '.join('?' for _ in names)})"
    if request.mode != "upsert":
        return head
    check_upsert(request)
    key = request.key
    check_columns("sqlite", table.name, [pa.field(name, pa.null()) for name in key], list(table.columns))
    if frozenset(key) not in table.keys:
        raise FatalError(
            "sqlite.no_unique_key",
            f"table {table.name} has no unique index on exactly ({quote_all(key)}), which an upsert needs",
            next_step=f"CREATE UNIQUE INDEX {quote(table.name.replace('.', '_') + '_key')} "
            f"ON {table.quoted} ({quote_all(key)})",
        )
    return f"{head} {on_conflict(request)}"
