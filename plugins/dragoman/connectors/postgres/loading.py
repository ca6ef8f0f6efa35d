"""Rows into a PostgreSQL table and out of it: each piece under a savepoint, the bad rows found by halving it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pyarrow as pa

from dragoman.connectors._sql.identifiers import check_columns, check_needed, quote_table, split_table
from dragoman.connectors._sql.incomplete import incomplete
from dragoman.connectors._sql.isolate import Failure, isolate
from dragoman.connectors._sql.upserts import check_upsert
from dragoman.connectors.postgres.bulk_copy import line_of
from dragoman.connectors.postgres.catalog import Table, read_table
from dragoman.connectors.postgres.ddl import create_table
from dragoman.connectors.postgres.fitting import Fit, fit_rows, plan
from dragoman.connectors.postgres.replace import Replacement
from dragoman.connectors.postgres.session import run
from dragoman.connectors.postgres.ways import Append, Erase, NotTakenError, Upsert
from dragoman.core.batch import Refused
from dragoman.core.errors import FatalError
from dragoman.core.ports import DeliverRequest

__all__ = ["PostgresLoader"]

_DATA = ("22", "23")


class PostgresLoader:
    """See ``_sql/driver.py``."""

    def __init__(self, server: psycopg.Connection[Any], request: DeliverRequest, name: str) -> None:
        self._server = server
        self._request = request
        self._replacement: Replacement | None = None
        table = self._table = _opened(server, request, name)
        outputs = list(request.schema)
        keys = [field for field in outputs if field.name in request.key]
        if request.mode == "delete":
            outputs = keys
        check_columns("postgres", str(table), outputs, list(table.columns))
        if request.mode != "delete":
            check_needed("postgres", str(table), outputs, table.needed)
        self._fits = plan(outputs, table)
        self._key_fits = plan(keys, table)
        if request.mode == "upsert":
            _check_key(table, request)
        if request.mode == "replace":
            self._replacement = Replacement(server, table, request.integration)
        self._target = self._replacement.target if self._replacement else table.quoted
        self._upsert = Upsert(server, table, self._fits, request) if request.mode == "upsert" else None
        self._append = Append(server, self._target, self._fits)
        self._erase: Erase | None = None

    @property
    def superseded(self) -> int:
        """Rows that an upsert left out because a newer version was there."""
        return self._upsert.superseded if self._upsert else 0

    def load(self, outputs: pa.Table) -> list[Refused]:
        """COPY, or COPY and upsert."""
        way = self._upsert or self._append
        return self._in_pieces(outputs, self._fits, incomplete(outputs, self._request), way.load)

    def erase(self, keys: pa.Table) -> list[Refused]:
        """COPY the keys aside and delete by them."""
        if self._erase is None:
            self._erase = Erase(self._server, self._table, self._target, self._key_fits)
        refused = incomplete(keys, self._request, erasing=True)
        return self._in_pieces(keys, self._key_fits, refused, self._erase.load)

    def finish(self) -> None:
        """Swap the new table in, where the rows were replaced."""
        if self._replacement is not None:
            self._replacement.finish()

    def _in_pieces(
        self, rows: pa.Table, fits: Sequence[Fit], refused: dict[int, Refused], load: Callable[[pa.Table], None]
    ) -> list[Refused]:
        fitted = fit_rows(rows, fits, refused)
        bad = isolate(
            fitted.table.num_rows,
            lambda start, stop: self._attempt(load, fitted.table.slice(start, stop - start)),
        )
        named = [Refused(fitted.place(row), why.code, why.message, why.field, why.answer) for row, why in bad]
        return named + fitted.refused

    def _attempt(self, load: Callable[[pa.Table], None], piece: pa.Table) -> Failure | None:
        run(self._server, "SAVEPOINT dragoman")
        try:
            load(piece)
        except NotTakenError as error:
            failure = Failure("postgres.not_taken", str(error))
        except psycopg.Error as error:
            if self._server.broken or not (error.sqlstate or "").startswith(_DATA):
                raise
            failure = _failure(error)
        else:
            run(self._server, "RELEASE SAVEPOINT dragoman")
            return None
        run(self._server, "ROLLBACK TO SAVEPOINT dragoman")
        run(self._server, "RELEASE SAVEPOINT dragoman")
        return failure


def _opened(server: psycopg.Connection[Any], request: DeliverRequest, name: str) -> Table:
    table = read_table(server, name)
    if table is not None:
        return table
    if not request.create or request.mode == "delete":
        raise FatalError(
            "postgres.no_table",
            f"table {name} does not exist and is not made: create: is false, or the mode is delete",
            next_step="create the table, or write create: true where rows are to be written",
        )
    schema, short = split_table(name)
    run(server, create_table(quote_table(schema, short), list(request.schema), request.key))
    table = read_table(server, name)
    if table is None:
        raise FatalError("postgres.no_table", f"table {name} was made and is not on the search path")
    return table


def _check_key(table: Table, request: DeliverRequest) -> None:
    check_upsert(request)
    key = request.key
    check_columns("postgres", str(table), [pa.field(name, pa.null()) for name in key], list(table.columns))
    if frozenset(key) not in table.keys:
        columns = ", ".join(f'"{name}"' for name in key)
        raise FatalError(
            "postgres.no_unique_key",
            f"table {table} has no unique index on exactly ({columns}), which an upsert needs",
            next_step=f"CREATE UNIQUE INDEX ON {table.quoted} ({columns})",
        )


def _failure(error: psycopg.Error) -> Failure:
    said = error.diag
    message = said.message_primary or str(error)
    code = "text.nul" if error.sqlstate == "22021" and "0x00" in message else f"postgres.{error.sqlstate}"
    answer = " ".join(part for part in (error.sqlstate, said.message_detail) if part)
    field = said.column_name or ""
    if not field and said.context:
        _, _, rest = said.context.partition(", column ")
        field = rest.splitlines()[0].partition(":")[0].strip() if rest else ""
    return Failure(code, message, field, answer, line_of(error))
