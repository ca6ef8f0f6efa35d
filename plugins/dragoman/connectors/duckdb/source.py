"""Reading from a DuckDB file in one snapshot, as native Arrow columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.interval import Kind, ends_of
from dragoman.connectors._sql.keyset import CHECK, KEEP, Keyset
from dragoman.connectors._sql.nowhere import unplaced
from dragoman.connectors._sql.seen import Seen
from dragoman.connectors._sql.selection import chosen, origin_of, relation
from dragoman.connectors.duckdb.session import connect, explain, run
from dragoman.core.batch import ReadBatch, ReadEnd
from dragoman.core.connection import Connection
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import FieldType, words_field
from dragoman.core.ports import ReadRequest

__all__ = ["DuckdbSource", "open_source"]

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


def open_source(connection: Connection, options: Mapping[str, Any]) -> DuckdbSource:
    """The source of the manifest's ``source:``; nothing is opened yet."""
    return DuckdbSource(connection, options)


class DuckdbSource:
    """A table or a query."""

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._options = options
        self._relation = relation(options)
        self._server: duckdb.DuckDBPyConnection | None = None

    def freeze(self, request: ReadRequest) -> Mapping[str, Any] | None:
        """The greatest position now; never one before the committed cursor."""
        if not self._options.get("cursor"):
            return None
        server = self._open()
        try:
            return self._greatest(server, self._keyset(self._describe(server)), request)
        except duckdb.Error as error:
            raise explain(error, f"reading the bound of {origin_of(self._options)}") from error

    def read(self, request: ReadRequest) -> Iterator[ReadBatch | ReadEnd]:
        """Batches of about ``request.batch_rows`` rows at most, then the end with the cursor to commit."""
        server = self._open()
        try:
            run(server, "BEGIN")
            yield from self._read(server, request)
            run(server, "COMMIT")
        except duckdb.Error as error:
            raise explain(error, f"reading {origin_of(self._options)}") from error

    def close(self) -> None:
        """Close the file, so that another process may open it."""
        if self._server is not None:
            self._server.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._server is None:
            self._server = connect(self._connection, must_exist=True)
            run(self._server, "SET TimeZone = 'UTC'")
        return self._server

    def _describe(self, server: duckdb.DuckDBPyConnection) -> dict[str, str]:
        """Column names and their types. DESCRIBE takes one SELECT, so a query that hides a second statement ends here.

        Raises:
            FatalError: ``duckdb.query``.
        """
        try:
            if len(server.extract_statements(f"SELECT * FROM {self._relation}")) != 1:
                raise FatalError("duckdb.query", "the query holds several statements", next_step="write one SELECT")
            rows = run(server, f"DESCRIBE SELECT * FROM {self._relation}")
        except duckdb.ParserException as error:
            raise FatalError(
                "duckdb.query", explain(error, "reading the query").message, next_step="write one SELECT"
            ) from error
        chosen("duckdb", self._options, [row[0] for row in rows])
        return {row[0]: row[1] for row in rows}

    def _read(self, server: duckdb.DuckDBPyConnection, request: ReadRequest) -> Iterator[ReadBatch | ReadEnd]:
        types = self._describe(server)
        names = chosen("duckdb", self._options, list(types))
        select = ", ".join(f"{_expression(name, types[name])} AS {quote(name)}" for name in names)
        if not self._options.get("cursor"):
            yield from self._batches(server, f"SELECT {select} FROM {self._relation}", types, request, None)
            yield ReadEnd()
            return
        keyset = self._keyset(types)
        if request.interval:
            kind = _kind(types[keyset.column])
            inside = keyset.between(*ends_of(request.interval, kind, str(self._options.get("timezone") or "")))
            text = f"SELECT {select} FROM {self._relation} WHERE {inside} ORDER BY {keyset.order}"
            yield from self._batches(server, text, types, request, None)
            yield ReadEnd(nothing_new=True)
            return
        cursor = keyset.require(request.cursor)
        nowhere = f"SELECT {select} FROM {self._relation} WHERE {keyset.unplaced()}"
        for batch in self._batches(server, nowhere, types, request, None):
            yield unplaced(batch, keyset)
        bound = request.bound or self._greatest(server, keyset, request)
        if "value" not in bound:
            yield ReadEnd(cursor=cursor, nothing_new=True)
            return
        seen = Seen(cursor.get("seen") or "" if cursor else "") if keyset.rereads else None
        if seen:
            content = ", ".join(f"coalesce({quote(name)}::VARCHAR, chr(1))" for name in names)
            select += f", {keyset.flag(cursor, bound)} AS {_FLAG}, concat_ws(chr(0), {content}) AS {_HASH}"
        text = f"SELECT {select} FROM {self._relation} WHERE {keyset.window(cursor, bound)} ORDER BY {keyset.order}"
        yield from self._batches(server, text, types, request, seen)
        yield ReadEnd(cursor=keyset.end(bound, seen), nothing_new=True)

    def _batches(
        self,
        server: duckdb.DuckDBPyConnection,
        select: str,
        types: Mapping[str, str],
        request: ReadRequest,
        seen: Seen | None,
    ) -> Iterator[ReadBatch]:
        first = 1
        for piece in server.sql(select).to_arrow_reader(request.batch_rows):
            table, dropped = pa.Table.from_batches([piece]), 0
            if seen is not None:
                kept = [
                    letter == "-" or seen.is_new(text.encode(), keep=letter in KEEP + "b", check=letter in CHECK + "b")
                    for letter, text in zip(
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

    def _keyset(self, types: Mapping[str, str]) -> Keyset:
        cursor = self._options["cursor"]
        overlap = float(cursor.get("overlap") or 0)
        return Keyset(str(cursor["column"]), str(cursor.get("id") or ""), overlap, _Dialect(types))

    def _greatest(self, server: duckdb.DuckDBPyConnection, keyset: Keyset, request: ReadRequest) -> Mapping[str, Any]:
        position = ", ".join(f"{quote(name)}::VARCHAR" for name in (keyset.column, keyset.id or keyset.column))
        found = run(
            server,
            f"SELECT {position} FROM {self._relation} WHERE {keyset.placed()} ORDER BY {keyset.descending} LIMIT 1",
        )
        cursor = keyset.require(request.cursor)
        if cursor is not None:
            newer = f"SELECT 1 FROM {self._relation} WHERE {keyset.placed()} AND {keyset.after(cursor)} LIMIT 1"
            if not run(server, newer):
                return keyset.still(cursor)
        if not found:
            return {"empty": True}
        value, last = found[0]
        if value == "infinity":
            raise FatalError(
                "cursor.infinite",
                f"the greatest {keyset.column!r} is infinity: no later row could ever be read",
                next_step="read a query that leaves such rows out",
            )
        return {"value": value, "id": last if keyset.id else None}


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
