"""Rows into a DuckDB table and out of it: bad ones are found by questions first, then one statement takes the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
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
from dragoman.connectors._sql.upserts import KEPT, check_upsert, on_conflict, overwritten
from dragoman.connectors.duckdb.catalog import Table, read_table
from dragoman.connectors.duckdb.fitting import Question, column_type, questions, value_of
from dragoman.connectors.duckdb.row_questions import checks, still_referenced, unique
from dragoman.connectors.duckdb.session import run
from dragoman.core.batch import Refused
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import type_of
from dragoman.core.ports import DeliverRequest

__all__ = ["DuckdbLoader"]

_PIECE = "_dragoman_piece"
_ROW = "_dragoman_row"


class DuckdbLoader:
    """See ``_sql/driver.py``. An error of DuckDB ends the transaction, and with it what was registered."""

    def __init__(self, server: duckdb.DuckDBPyConnection, request: DeliverRequest, name: str) -> None:
        self.superseded = 0
        self._server = server
        self._request = request
        table = self._table = _opened(server, request, name)
        outputs = list(request.schema)
        keys = [field for field in outputs if field.name in request.key]
        if request.mode == "delete":
            outputs = keys
        check_columns("duckdb", name, outputs, list(table.columns))
        if request.mode != "delete":
            check_needed("duckdb", name, outputs, table.needed)
        self._questions = questions(outputs, table)
        self._key_questions = [*questions(keys, table), *still_referenced(table, request.key)]
        if request.mode == "replace":
            run(server, f"DELETE FROM {table.quoted}")
        if request.mode == "upsert":
            _check_key(table, request)

    def load(self, outputs: pa.Table) -> list[Refused]:
        """One INSERT of the good rows."""
        refused = incomplete(outputs, self._request)
        target, request = self._table, self._request
        groups = (self._questions, checks(target, request), unique(target, request, _ROW))
        good = self._sifted(outputs, refused, groups)
        names = outputs.column_names
        values = ", ".join(value_of(name, target) for name in names)
        head = f"INSERT INTO {target.quoted} AS {KEPT} ({quote_all(names)}) SELECT {values} FROM {_PIECE} p"
        if request.mode != "upsert":
            self._count(run(self._server, head)[0][0], good)
        else:
            keys = ", ".join(value_of(name, target) for name in request.key)
            row = f"p.{quote(_ROW)} DESC"
            if request.version:
                self._count_superseded()
                row = f"{value_of(request.version, target)} DESC, {row}"
            head += f" QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {row}) = 1 {on_conflict(request)}"
            taken = run(self._server, head)[0][0]
            if overwritten(request) and not request.version:
                self._count(taken, run(self._server, f"SELECT count(DISTINCT ({keys},)) FROM {_PIECE} p")[0][0])
        self._server.unregister(_PIECE)
        return list(refused.values())

    def erase(self, keys: pa.Table) -> list[Refused]:
        """One DELETE of the good keys."""
        refused = incomplete(keys, self._request, erasing=True)
        self._sifted(keys, refused, (self._key_questions,))
        same = " AND ".join(f"{KEPT}.{quote(name)} = {value_of(name, self._table)}" for name in keys.column_names)
        run(self._server, f"DELETE FROM {self._table.quoted} AS {KEPT} USING {_PIECE} p WHERE {same}")
        self._server.unregister(_PIECE)
        return list(refused.values())

    def finish(self) -> None:
        """Nothing is left to do."""

    def _sifted(self, rows: pa.Table, refused: dict[int, Refused], groups: Sequence[Sequence[Question]]) -> int:
        """Register the good rows, after all questions; returns how many there are."""
        piece = rows.append_column(_ROW, pa.array(range(rows.num_rows), pa.int64()))
        for group in groups:
            for condition, code, field, said in group:
                self._register(piece, refused)
                for (row,) in run(self._server, f"SELECT p.{quote(_ROW)} FROM {_PIECE} p WHERE {condition} ORDER BY 1"):
                    refused.setdefault(row, Refused(row, code, said, field))
        self._register(piece, refused)
        return int(rows.num_rows) - len(refused)

    def _register(self, piece: pa.Table, refused: Mapping[int, Refused]) -> None:
        """Only rows that are still good are asked about, so that one reason is given for each bad one."""
        if refused:
            piece = piece.take(pa.array([row for row in range(piece.num_rows) if row not in refused], pa.int64()))
        self._server.register(_PIECE, piece)

    def _count(self, taken: int, sent: int) -> None:
        if taken != sent:
            raise FatalError(
                "duckdb.count",
                f"{sent} rows were sent to {self._table.name} and DuckDB says that it took {taken}",
                next_step="nothing was committed: run it again, and report it if it stays",
            )

    def _count_superseded(self) -> None:
        """Rows that are older than one of their key that is there, or that comes before them in the piece."""
        target, request = self._table, self._request
        keys = ", ".join(value_of(name, target) for name in request.key)
        version = value_of(request.version, target)
        before = (
            f"max({version}) OVER (PARTITION BY {keys} ORDER BY p.{quote(_ROW)} "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        )
        same = " AND ".join(f"{KEPT}.{quote(name)} = {value_of(name, target)}" for name in request.key)
        self.superseded += run(
            self._server,
            f"SELECT count(*) FILTER (greatest(made.before, made.there) > made.version) FROM "
            f"(SELECT {version} AS version, {before} AS before, {KEPT}.{quote(request.version)} AS there "
            f"FROM {_PIECE} p LEFT JOIN {target.quoted} AS {KEPT} ON {same}) AS made",
        )[0][0]


def _opened(server: duckdb.DuckDBPyConnection, request: DeliverRequest, name: str) -> Table:
    check_case("DuckDB", request.schema.names)
    table = read_table(server, name)
    if table is None:
        if not request.create or request.mode == "delete":
            raise FatalError(
                "duckdb.no_table",
                f"table {name} does not exist and is not made: create: is false, or the mode is delete",
                next_step="create the table, or write create: true where rows are to be written",
            )
        lines = [f"{quote(field.name)} {column_type(type_of(field))}" for field in request.schema]
        if request.key:
            lines.append(f"PRIMARY KEY ({quote_all(request.key)})")
        run(server, f"CREATE TABLE {quote_table(*split_table(name))} ({', '.join(lines)})")
        table = read_table(server, name)
    if table is None:
        raise FatalError("duckdb.no_table", f"table {name} was made and cannot be found")
    return table


def _check_key(table: Table, request: DeliverRequest) -> None:
    check_upsert(request)
    if not any(set(columns) == set(request.key) for columns in table.unique):
        raise FatalError(
            "duckdb.no_unique_key",
            f"table {table.name} has no unique index on exactly ({quote_all(request.key)}), which an upsert needs",
            next_step=f"CREATE UNIQUE INDEX {quote(split_table(table.name)[1] + '_key')} "
            f"ON {table.quoted} ({quote_all(request.key)})",
        )
