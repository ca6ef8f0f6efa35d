"""Reading from a DuckDB file in one snapshot, as native Arrow columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import duckdb
import pyarrow as pa

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.incremental import Asked, check_finite, greatest
from dragoman.connectors._sql.interval import Kind, ends_of
from dragoman.connectors._sql.keyset import CHECK, KEEP, Keyset
from dragoman.connectors._sql.seen import Seen
from dragoman.connectors._sql.selection import chosen, origin_of, relation
from dragoman.connectors._sql.source import SqlSource
from dragoman.connectors.duckdb.session import connect, explain, run
from dragoman.core.batch import ReadBatch
from dragoman.core.connection import Connection
from dragoman.core.errors import DragomanError, FatalError
from dragoman.core.fieldtype import FieldType, words_field
from dragoman.core.ports import ReadRequest

__all__ = ["open_source"]

_NATIVE = frozenset(
    (
        *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"),
        *("DECIMAL", "FLOAT", "DOUBLE", "BOOLEAN", "VARCHAR", "BLOB"),
        *("DATE", "TIME", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"),
    )
)
_MOMENTS = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UBIGINT", "UINTEGER", "DECIMAL", "FLOAT", "DOUBLE")
_FLAG, _HASH = "_dragoman_flag", "_dragoman_hash"


def open_source(connection: Connection, options: Mapping[str, Any]) -> SqlSource[duckdb.DuckDBPyConnection]:
    """The source of the manifest's ``source:``; nothing is opened yet."""
    return SqlSource(_Duckdb(connection, options))


class _Duckdb:
    """See ``_sql/source.py``."""

    error: type[Exception] = duckdb.Error

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._options = options
        self._from = relation(options)
        self.origin = origin_of(options)

    def connect(self) -> duckdb.DuckDBPyConnection:
        server = connect(self._connection, must_exist=True)
        run(server, "SET TimeZone = 'UTC'")
        return server

    def begin(self, server: duckdb.DuckDBPyConnection) -> None:
        run(server, "BEGIN")

    def commit(self, server: duckdb.DuckDBPyConnection) -> None:
        run(server, "COMMIT")

    def explain(self, error: duckdb.Error, doing: str) -> DragomanError:
        return explain(error, doing)

    def relation(
        self, server: duckdb.DuckDBPyConnection, request: ReadRequest, columns: Sequence[str] = ()
    ) -> _Relation:
        options = {**self._options, "columns": columns, "cursor": None} if columns else self._options
        return _Relation(server, self._from, options, request.batch_rows)


class _Relation:
    """See ``_sql/incremental.py``."""

    always_placed = False

    def __init__(self, server: duckdb.DuckDBPyConnection, source: str, options: Mapping[str, Any], most: int) -> None:
        self._server = server
        self._options = options
        self._most = most
        self._relation = source
        self._types = self._described()
        cursor = options.get("cursor")
        self.keyset = Keyset.of(cursor, _Dialect(self._types)) if cursor else None

    @property
    def schema(self) -> pa.Schema:
        nothing = self._server.sql(f"SELECT {self._select()} FROM {self._relation} LIMIT 0").to_arrow_table()
        return pa.schema([_field(field, self._types[field.name]) for field in nothing.schema])

    def _select(self) -> str:
        names = chosen("duckdb", self._options, list(self._types))
        return ", ".join(f"{_expression(name, self._types[name])} AS {quote(name)}" for name in names)

    def batches(self, tail: str = "", flag: str = "", seen: Seen | None = None) -> Iterator[ReadBatch]:
        types, select = self._types, self._select()
        names = chosen("duckdb", self._options, list(types))
        if seen is not None:
            content = ", ".join(f"coalesce({quote(name)}::VARCHAR, chr(1))" for name in names)
            select += f", {flag} AS {_FLAG}, concat_ws(chr(0), {content}) AS {_HASH}"
        text = f"SELECT {select} FROM {self._relation} {tail}"
        first = 1
        for piece in self._server.sql(text).to_arrow_reader(self._most):
            table, dropped = pa.Table.from_batches([piece]), 0
            if seen is not None:
                kept = [
                    letter == "-" or seen.is_new(words.encode(), keep=letter in KEEP + "b", check=letter in CHECK + "b")
                    for letter, words in zip(
                        table.column(_FLAG).to_pylist(), table.column(_HASH).to_pylist(), strict=True
                    )
                ]
                dropped = kept.count(False)
                table = table.drop_columns([_FLAG, _HASH]).filter(pa.array(kept, pa.bool_()))
            table = table.cast(pa.schema([_field(field, types[field.name]) for field in table.schema]))
            filtered = {"duplicate": dropped} if dropped else {}
            if table.num_rows or dropped:
                yield ReadBatch(table, origin_of(self._options), first, filtered=filtered)
            first += table.num_rows

    def ends(self, keyset: Keyset, interval: tuple[str, str]) -> Sequence[Any]:
        kind = _kind(self._types[keyset.column])
        return ends_of(interval, kind, str(self._options.get("timezone") or ""))

    def bound(self, keyset: Keyset, request: ReadRequest) -> Mapping[str, Any]:
        bound = greatest(Asked(partial(run, self._server), self._relation, _shown), keyset, request)
        check_finite(keyset, bound)
        return bound

    def _described(self) -> dict[str, str]:
        """Column names and their types. DESCRIBE takes one SELECT, so a query that hides a second statement ends here.

        Raises:
            FatalError: ``duckdb.query``.
        """
        try:
            if len(self._server.extract_statements(f"SELECT * FROM {self._relation}")) != 1:
                raise FatalError("duckdb.query", "the query holds several statements", next_step="write one SELECT")
            rows = run(self._server, f"DESCRIBE SELECT * FROM {self._relation}")
        except duckdb.ParserException as error:
            raise FatalError(
                "duckdb.query", explain(error, "reading the query").message, next_step="write one SELECT"
            ) from error
        chosen("duckdb", self._options, [row[0] for row in rows])
        return {row[0]: row[1] for row in rows}


def _shown(name: str) -> str:
    return f"{quote(name)}::VARCHAR"


class _Dialect:
    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types

    def literal(self, column: str, value: Any) -> str:
        text = str(value).replace("'", "''")
        return f"CAST('{text}' AS {self._types[column]})"

    def earlier(self, column: str, value: Any, overlap: float) -> str:
        family, text = self._types[column].partition("(")[0], self.literal(column, value)
        if family in _MOMENTS or family == "DATE":
            micros = round(overlap * 1_000_000)
            return f"CAST({text} - INTERVAL {micros} MICROSECONDS AS {self._types[column]})"
        if family in _NUMBERS:
            return f"({text} - {overlap:.15g})"
        raise FatalError(
            "cursor.overlap",
            f"an overlap needs a time or a number, and {column!r} is {self._types[column]}",
            next_step="leave overlap: out, or choose another cursor column",
        )


def _kind(of: str) -> Kind:
    """What a column of this type holds, for the ends of an interval."""
    family = of.partition("(")[0]
    if family in _MOMENTS:
        return "instant" if family.endswith("TIME ZONE") else "moment"
    return "date" if family == "DATE" else "number" if family in _NUMBERS else "text"


def _expression(name: str, kind: str) -> str:
    if kind.partition("(")[0] in _NATIVE and not kind.endswith("]"):
        return quote(name)
    if _nested(kind):
        return f"CAST(to_json({quote(name)}) AS VARCHAR)"
    return f"CAST({quote(name)} AS VARCHAR)"


def _nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))


def _field(field: pa.Field, kind: str) -> pa.Field:
    """JSON and nested columns are raw JSON words; what has no Arrow type of its own is text."""
    if kind == "JSON" or _nested(kind):
        return words_field(field.name, json=True, declared=FieldType("json"))
    if kind in {"HUGEINT", "UHUGEINT", "UBIGINT"}:
        return words_field(field.name, declared=FieldType("decimal", 38, 0))
    return pa.field(field.name, field.type)
