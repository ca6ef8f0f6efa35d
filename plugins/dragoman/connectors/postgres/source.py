"""Reading from PostgreSQL by COPY, in one read-only snapshot, in the server's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv as pacsv

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.interval import Kind, ends_of
from dragoman.connectors._sql.keyset import CHECK, KEEP, Keyset
from dragoman.connectors._sql.nowhere import unplaced
from dragoman.connectors._sql.seen import Seen
from dragoman.connectors._sql.selection import chosen, origin_of, relation
from dragoman.connectors.postgres.catalog import read_table
from dragoman.connectors.postgres.session import connect, explain, run
from dragoman.connectors.postgres.words import Described, describe
from dragoman.core.batch import ReadBatch, ReadEnd
from dragoman.core.connection import Connection
from dragoman.core.errors import FatalError
from dragoman.core.ports import ReadRequest

__all__ = ["PostgresSource", "open_source"]

_BATCH_BYTES = 32 * 1024 * 1024
_SETTINGS = ("timezone = 'UTC'", "datestyle = 'ISO, YMD'", "bytea_output = 'hex'", "extra_float_digits = 1")
_MOMENTS = ("timestamp", "timestamptz")
_NUMBERS = ("int2", "int4", "int8", "numeric", "float4", "float8")


def open_source(connection: Connection, options: Mapping[str, Any]) -> PostgresSource:
    """The source of the manifest's ``source:``; nothing is opened yet."""
    return PostgresSource(connection, options)


class PostgresSource:
    """A table or a query."""

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._options = options
        self._relation = relation(options)
        self._server: psycopg.Connection[Any] | None = None

    def freeze(self, request: ReadRequest) -> Mapping[str, Any] | None:
        """The greatest position now; never one before the committed cursor."""
        if not self._options.get("cursor"):
            return None
        server = self._begin()
        try:
            bound = self._greatest(server, self._keyset(describe(server, self._relation)), request)
            run(server, "COMMIT")
        except psycopg.Error as error:
            raise explain(error, f"reading the bound of {origin_of(self._options)}") from error
        return bound

    def read(self, request: ReadRequest) -> Iterator[ReadBatch | ReadEnd]:
        """Batches of ``request.batch_rows`` rows at most, then the end with the cursor to commit."""
        server = self._begin()
        try:
            yield from self._read(server, request)
            run(server, "COMMIT")
        except psycopg.Error as error:
            raise explain(error, f"reading {origin_of(self._options)}") from error

    def close(self) -> None:
        """Close the connection; a read that was left half way ends with it."""
        if self._server is not None:
            self._server.close()

    def _begin(self) -> psycopg.Connection[Any]:
        if self._server is None:
            self._server = connect(self._connection)
        server = self._server
        try:
            run(server, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            for setting in _SETTINGS:
                run(server, f"SET LOCAL {setting}")
        except psycopg.Error as error:
            raise explain(error, "beginning to read") from error
        return server

    def _read(self, server: psycopg.Connection[Any], request: ReadRequest) -> Iterator[ReadBatch | ReadEnd]:
        described = describe(server, self._relation)
        by_name = {column.name: column for column in described}
        columns = [by_name[name] for name in chosen("postgres", self._options, [one.name for one in described])]
        select = ", ".join(column.expression for column in columns)
        if not self._options.get("cursor"):
            yield from self._batches(server, f"SELECT {select} FROM {self._relation}", columns, request, None)
            yield ReadEnd()
            return
        keyset = self._keyset(described)
        if request.interval:
            kind = _kind(by_name[keyset.column].base)
            inside = keyset.between(*ends_of(request.interval, kind, str(self._options.get("timezone") or "")))
            text = f"SELECT {select} FROM {self._relation} WHERE {inside} ORDER BY {keyset.order}"
            yield from self._batches(server, text, columns, request, None)
            yield ReadEnd(nothing_new=True)
            return
        cursor = keyset.require(request.cursor)
        if not self._always_placed(server, keyset):
            nowhere = f"SELECT {select} FROM {self._relation} WHERE {keyset.unplaced()}"
            for batch in self._batches(server, nowhere, columns, request, None):
                yield unplaced(batch, keyset)
        bound = request.bound or self._greatest(server, keyset, request)
        if "value" not in bound:
            yield ReadEnd(cursor=cursor, nothing_new=True)
            return
        seen = Seen(cursor.get("seen") or "" if cursor else "") if keyset.rereads else None
        flag = f"{keyset.flag(cursor, bound)}, " if seen else ""
        text = (
            f"SELECT {flag}{select} FROM {self._relation} WHERE {keyset.window(cursor, bound)} ORDER BY {keyset.order}"
        )
        yield from self._batches(server, text, columns, request, seen)
        yield ReadEnd(cursor=keyset.end(bound, seen), nothing_new=True)

    def _batches(
        self,
        server: psycopg.Connection[Any],
        select: str,
        columns: list[Described],
        request: ReadRequest,
        seen: Seen | None,
    ) -> Iterator[ReadBatch]:
        """COPY's CSV in pieces; the server sends one message per row, so a piece never cuts one."""
        rows: list[bytes] = []
        size, first, dropped = 0, 1, 0
        with server.cursor().copy(f"COPY ({select}) TO STDOUT WITH (FORMAT csv)") as copy:
            while message := copy.read():
                row = bytes(message)
                if seen is not None:
                    letter, row = chr(row[0]), row[2:]
                    if letter != "-" and not seen.is_new(row, keep=letter in KEEP + "b", check=letter in CHECK + "b"):
                        dropped += 1
                        continue
                rows.append(row)
                size += len(row)
                if len(rows) == request.batch_rows or size >= _BATCH_BYTES:
                    yield self._batch(rows, columns, first, dropped)
                    first, size, dropped = first + len(rows), 0, 0
                    rows = []
        if rows or dropped:
            yield self._batch(rows, columns, first, dropped)

    def _batch(self, rows: list[bytes], columns: list[Described], first: int, dropped: int) -> ReadBatch:
        table = _table(rows, columns)
        filtered = {"duplicate": dropped} if dropped else {}
        return ReadBatch(table, origin=origin_of(self._options), first=first, filtered=filtered)

    def _keyset(self, described: list[Described]) -> Keyset:
        chosen("postgres", self._options, [column.name for column in described])
        cursor = self._options["cursor"]
        dialect = _Dialect({column.name: column for column in described})
        return Keyset(str(cursor["column"]), str(cursor.get("id") or ""), float(cursor.get("overlap") or 0), dialect)

    def _always_placed(self, server: psycopg.Connection[Any], keyset: Keyset) -> bool:
        """Whether the table's own constraints say that no row lacks a position."""
        if self._options.get("query"):
            return False
        table = read_table(server, str(self._options["table"]))
        names = [name for name in (keyset.column, keyset.id) if name]
        return table is not None and not any(table.columns[name].nullable for name in names)

    def _greatest(self, server: psycopg.Connection[Any], keyset: Keyset, request: ReadRequest) -> Mapping[str, Any]:
        position = ", ".join(f"{quote(name)}::text" for name in (keyset.column, keyset.id or keyset.column))
        found = run(
            server,
            f"SELECT {position} FROM {self._relation} WHERE {keyset.placed()} ORDER BY {keyset.descending} LIMIT 1",
        )
        cursor = keyset.require(request.cursor)
        if cursor is not None:
            newer = run(
                server,
                f"SELECT 1 FROM {self._relation} WHERE {keyset.placed()} AND {keyset.after(cursor)} LIMIT 1",
            )
            if not newer:
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
    def __init__(self, columns: Mapping[str, Described]) -> None:
        self._columns = columns

    def literal(self, column: str, value: Any) -> str:
        quoted = str(value).replace("'", "''")
        escaped = "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"
        kind = self._columns[column]
        return f"{escaped}::{'bpchar' if kind.base == 'bpchar' else kind.shown}"

    def earlier(self, column: str, value: Any, overlap: float) -> str:
        base, value = self._columns[column].base, self.literal(column, value)
        if base in _MOMENTS:
            return f"({value} - interval '{overlap:f} seconds')"
        if base == "date":
            return f"({value} - interval '{overlap:f} seconds')::date"
        if base in _NUMBERS:
            return f"({value} - {overlap:.15g})"
        raise FatalError(
            "cursor.overlap",
            f"an overlap needs a time or a number, and {column!r} is {self._columns[column].shown}",
            next_step="leave overlap: out, or choose another cursor column",
        )


def _kind(base: str) -> Kind:
    """What a column of this type holds, for the ends of an interval."""
    kinds: dict[str, Kind] = {"timestamptz": "instant", "timestamp": "moment", "date": "date"}
    return "number" if base in _NUMBERS else kinds.get(base, "text")


def _table(rows: list[bytes], columns: list[Described]) -> pa.Table:
    """Rows of COPY's CSV as text columns; NULL is an unquoted empty field, the empty text a quoted one."""
    schema = pa.schema([column.field for column in columns])
    if not rows:
        return schema.empty_table()
    text = b"".join(rows)
    try:
        table = pacsv.read_csv(
            pa.BufferReader(text),
            read_options=pacsv.ReadOptions(column_names=schema.names, block_size=len(text) + 1, use_threads=False),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(schema.names, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise FatalError(
            "postgres.encoding",
            f"the server sent text that is not UTF-8: {error}",
            next_step="set the database's encoding right; SQL_ASCII promises none",
        ) from error
    if table.num_rows != len(rows):
        raise FatalError("postgres.copy", f"{len(rows)} rows were sent and {table.num_rows} understood")
    return table.cast(schema)
