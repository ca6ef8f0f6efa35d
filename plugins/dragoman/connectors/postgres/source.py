"""Reading from PostgreSQL by COPY, in one read-only snapshot, in the server's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv as pacsv

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.incremental import Asked, check_finite, greatest
from dragoman.connectors._sql.interval import Kind, ends_of
from dragoman.connectors._sql.keyset import CHECK, KEEP, Keyset
from dragoman.connectors._sql.seen import Seen
from dragoman.connectors._sql.selection import chosen, origin_of, relation
from dragoman.connectors._sql.source import SqlSource
from dragoman.connectors.postgres.catalog import read_table
from dragoman.connectors.postgres.session import connect, explain, run
from dragoman.connectors.postgres.words import Described, describe
from dragoman.core.batch import ReadBatch
from dragoman.core.connection import Connection
from dragoman.core.errors import DragomanError, FatalError
from dragoman.core.ports import ReadRequest

__all__ = ["open_source"]

_BATCH_BYTES = 32 * 1024 * 1024
_SETTINGS = ("timezone = 'UTC'", "datestyle = 'ISO, YMD'", "bytea_output = 'hex'", "extra_float_digits = 1")
_MOMENTS = ("timestamp", "timestamptz")
_NUMBERS = ("int2", "int4", "int8", "numeric", "float4", "float8")


def open_source(connection: Connection, options: Mapping[str, Any]) -> SqlSource[psycopg.Connection[Any]]:
    """The source of the manifest's ``source:``; nothing is opened yet."""
    return SqlSource(_Postgres(connection, options))


class _Postgres:
    """See ``_sql/source.py``."""

    error: type[Exception] = psycopg.Error

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._options = options
        self._from = relation(options)
        self.origin = origin_of(options)

    def connect(self) -> psycopg.Connection[Any]:
        return connect(self._connection)

    def begin(self, server: psycopg.Connection[Any]) -> None:
        run(server, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for setting in _SETTINGS:
            run(server, f"SET LOCAL {setting}")

    def commit(self, server: psycopg.Connection[Any]) -> None:
        run(server, "COMMIT")

    def explain(self, error: psycopg.Error, doing: str) -> DragomanError:
        return explain(error, doing)

    def relation(self, server: psycopg.Connection[Any], request: ReadRequest, columns: Sequence[str] = ()) -> _Relation:
        options = {**self._options, "columns": columns, "cursor": None} if columns else self._options
        return _Relation(server, self._from, options, request.batch_rows)


class _Relation:
    """See ``_sql/incremental.py``."""

    def __init__(self, server: psycopg.Connection[Any], source: str, options: Mapping[str, Any], most: int) -> None:
        self._server = server
        self._options = options
        self._most = most
        self._relation = source
        described = describe(server, source)
        self._described = {column.name: column for column in described}
        names = chosen("postgres", options, [column.name for column in described])
        self._columns = [self._described[name] for name in names]
        cursor = options.get("cursor")
        self.keyset = Keyset.of(cursor, _Dialect(self._described)) if cursor else None

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([column.field for column in self._columns])

    @property
    def always_placed(self) -> bool:
        """Whether the table's own constraints say so."""
        if self._options.get("query") or self.keyset is None:
            return False
        table = read_table(self._server, str(self._options["table"]))
        names = [name for name in (self.keyset.column, self.keyset.id) if name]
        return table is not None and not any(table.columns[name].nullable for name in names)

    def batches(self, tail: str = "", flag: str = "", seen: Seen | None = None) -> Iterator[ReadBatch]:
        """COPY's CSV in pieces; the server sends one message per row, so a piece never cuts one."""
        columns = self._columns
        select = ", ".join([*([flag] if flag else []), *(column.expression for column in columns)])
        text = f"SELECT {select} FROM {self._relation} {tail}"
        rows: list[bytes] = []
        size, first, dropped = 0, 1, 0
        with self._server.cursor().copy(f"COPY ({text}) TO STDOUT WITH (FORMAT csv)") as copy:
            while message := copy.read():
                row = bytes(message)
                if seen is not None:
                    letter, row = chr(row[0]), row[2:]
                    if letter != "-" and not seen.is_new(row, keep=letter in KEEP + "b", check=letter in CHECK + "b"):
                        dropped += 1
                        continue
                rows.append(row)
                size += len(row)
                if len(rows) == self._most or size >= _BATCH_BYTES:
                    yield self._batch(rows, columns, first, dropped)
                    first, size, dropped = first + len(rows), 0, 0
                    rows = []
        if rows or dropped:
            yield self._batch(rows, columns, first, dropped)

    def _batch(self, rows: list[bytes], columns: list[Described], first: int, dropped: int) -> ReadBatch:
        table = _table(rows, columns)
        filtered = {"duplicate": dropped} if dropped else {}
        return ReadBatch(table, origin=origin_of(self._options), first=first, filtered=filtered)

    def ends(self, keyset: Keyset, interval: tuple[str, str]) -> Sequence[Any]:
        kind = _kind(self._described[keyset.column].base)
        return ends_of(interval, kind, str(self._options.get("timezone") or ""))

    def bound(self, keyset: Keyset, request: ReadRequest) -> Mapping[str, Any]:
        bound = greatest(Asked(partial(run, self._server), self._relation, _shown), keyset, request)
        check_finite(keyset, bound)
        return bound


def _shown(name: str) -> str:
    return f"{quote(name)}::text"


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
