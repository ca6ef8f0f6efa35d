"""Reading from a SQLite file in one snapshot, as staged words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.interval import check_order, ends_of, like
from dragoman.connectors._sql.keyset import CHECK, KEEP, Keyset
from dragoman.connectors._sql.nowhere import unplaced
from dragoman.connectors._sql.seen import Seen
from dragoman.connectors._sql.selection import chosen, origin_of, relation
from dragoman.connectors.sqlite.catalog import read_table
from dragoman.connectors.sqlite.session import connect, explain, run
from dragoman.core.batch import ReadBatch, ReadEnd
from dragoman.core.connection import Connection
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import FieldType, parse_type, words_field
from dragoman.core.ports import ReadRequest

__all__ = ["SqliteSource", "open_source"]

_FETCH = 4096


def open_source(connection: Connection, options: Mapping[str, Any]) -> SqliteSource:
    """The source of the manifest's ``source:``; nothing is opened yet."""
    return SqliteSource(connection, options)


class SqliteSource:
    """A table or a query. SQLite types values, not columns: each value gives its own words."""

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._options = options
        self._relation = relation(options)
        self._server: sqlite3.Connection | None = None

    def freeze(self, request: ReadRequest) -> Mapping[str, Any] | None:
        """The greatest position now; never one before the committed cursor."""
        if not self._options.get("cursor"):
            return None
        server = self._open()
        try:
            self._names(server)
            return self._greatest(server, self._keyset(), request)
        except sqlite3.Error as error:
            raise explain(error, f"reading the bound of {origin_of(self._options)}") from error

    def read(self, request: ReadRequest) -> Iterator[ReadBatch | ReadEnd]:
        """Batches of ``request.batch_rows`` rows at most, then the end with the cursor to commit."""
        server = self._open()
        try:
            run(server, "BEGIN")
            yield from self._read(server, request)
            run(server, "COMMIT")
        except sqlite3.Error as error:
            raise explain(error, f"reading {origin_of(self._options)}") from error

    def close(self) -> None:
        """Close the file."""
        if self._server is not None:
            self._server.close()

    def _open(self) -> sqlite3.Connection:
        if self._server is None:
            self._server = connect(self._connection, read_only=True)
        return self._server

    def _names(self, server: sqlite3.Connection) -> list[str]:
        try:
            cursor = server.execute(f"SELECT * FROM {self._relation} LIMIT 0")
        except (sqlite3.Warning, sqlite3.ProgrammingError, sqlite3.OperationalError) as error:
            if not self._options.get("query"):
                raise
            raise FatalError(
                "sqlite.query", f"the query cannot be read: {error}", next_step="write one SELECT, without a semicolon"
            ) from error
        return chosen("sqlite", self._options, [column[0] for column in cursor.description])

    def _read(self, server: sqlite3.Connection, request: ReadRequest) -> Iterator[ReadBatch | ReadEnd]:
        names = self._names(server)
        schema = pa.schema([words_field(name, declared=self._declared(server).get(name)) for name in names])
        select = ", ".join(quote(name) for name in names)
        if not self._options.get("cursor"):
            yield from self._batches(server, f"SELECT {select} FROM {self._relation}", schema, request, None)
            yield ReadEnd()
            return
        keyset = self._keyset()
        if request.interval:
            inside = keyset.between(*self._ends(server, keyset, request.interval))
            text = f"SELECT {select} FROM {self._relation} WHERE {inside} ORDER BY {keyset.order}"
            yield from self._batches(server, text, schema, request, None)
            yield ReadEnd(nothing_new=True)
            return
        cursor = keyset.require(request.cursor)
        nowhere = f"SELECT {select} FROM {self._relation} WHERE {keyset.unplaced()}"
        for batch in self._batches(server, nowhere, schema, request, None):
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
        yield from self._batches(server, text, schema, request, seen)
        yield ReadEnd(cursor=keyset.end(bound, seen), nothing_new=True)

    def _batches(
        self, server: sqlite3.Connection, select: str, schema: pa.Schema, request: ReadRequest, seen: Seen | None
    ) -> Iterator[ReadBatch]:
        cursor = server.execute(select)
        rows: list[Sequence[Any]] = []
        first, dropped = 1, 0
        while fetched := cursor.fetchmany(min(_FETCH, request.batch_rows)):
            for row in fetched:
                if seen is not None:
                    letter, values = row[0], row[1:]
                    content = repr(values).encode()
                    if letter != "-" and not seen.is_new(
                        content, keep=letter in KEEP + "b", check=letter in CHECK + "b"
                    ):
                        dropped += 1
                        continue
                    rows.append(values)
                else:
                    rows.append(row)
            if len(rows) + _FETCH > request.batch_rows:
                yield self._batch(rows, schema, first, dropped)
                first, dropped = first + len(rows), 0
                rows = []
        if rows or dropped:
            yield self._batch(rows, schema, first, dropped)

    def _batch(self, rows: list[Sequence[Any]], schema: pa.Schema, first: int, dropped: int) -> ReadBatch:
        columns = zip(*rows, strict=True) if rows else [[] for _ in schema]
        arrays = [pa.array([_words(value) for value in column], pa.string()) for column in columns]
        filtered = {"duplicate": dropped} if dropped else {}
        return ReadBatch(pa.table(arrays, schema=schema), origin_of(self._options), first, filtered=filtered)

    def _declared(self, server: sqlite3.Connection) -> dict[str, FieldType]:
        """Types that the table's own declarations promise; dates have no one form in SQLite, so they stay text."""
        table = None if self._options.get("query") else read_table(server, str(self._options["table"]))
        found: dict[str, FieldType] = {}
        for column in table.columns.values() if table else ():
            word = column.declared.lower()
            kind: FieldType | None = None
            if column.affinity == "INTEGER":
                kind = FieldType("integer")
            elif column.affinity == "REAL":
                kind = FieldType("double")
            elif column.affinity == "BLOB" and word:
                kind = FieldType("binary")
            elif word in {"boolean", "bool"}:
                kind = FieldType("boolean")
            elif word.startswith(("decimal(", "numeric(")):
                kind = parse_type(word.replace("numeric", "decimal"))
            if kind is not None:
                found[column.name] = kind
        return found

    def _keyset(self) -> Keyset:
        cursor = self._options["cursor"]
        return Keyset(str(cursor["column"]), str(cursor.get("id") or ""), float(cursor.get("overlap") or 0), _Dialect())

    def _ends(self, server: sqlite3.Connection, keyset: Keyset, interval: tuple[str, str]) -> list[Any]:
        """The ends as the column holds its values: any column may hold anything, so the greatest value tells."""
        column = quote(keyset.column)
        found = run(
            server, f"SELECT {column} FROM {self._relation} WHERE {keyset.placed()} ORDER BY {column} DESC LIMIT 1"
        )
        sample = found[0][0] if found else ""
        if isinstance(sample, (int, float)):
            return [float(end) if "." in end else int(end) for end in ends_of(interval, "number")]
        zone = str(self._options.get("timezone") or "")
        first, last = (like(end, str(sample), zone) for end in interval)
        check_order(interval, empty=first > last or interval[0] == interval[1])
        return [first, last]

    def _greatest(self, server: sqlite3.Connection, keyset: Keyset, request: ReadRequest) -> Mapping[str, Any]:
        names = f"{quote(keyset.column)}, {quote(keyset.id or keyset.column)}"
        found = run(
            server,
            f"SELECT {names} FROM {self._relation} WHERE {keyset.placed()} ORDER BY {keyset.descending} LIMIT 1",
        )
        cursor = keyset.require(request.cursor)
        if cursor is not None:
            newer = f"SELECT 1 FROM {self._relation} WHERE {keyset.placed()} AND {keyset.after(cursor)} LIMIT 1"
            if not run(server, newer):
                return keyset.still(cursor)
        if not found:
            return {"empty": True}
        value, last = found[0]
        if isinstance(value, bytes) or (keyset.id and isinstance(last, bytes)):
            raise FatalError(
                "cursor.binary",
                f"the cursor {keyset.column!r} holds binary values, which have no text",
                next_step="choose a column of numbers or text",
            )
        return {"value": value, "id": last if keyset.id else None}


class _Dialect:
    def literal(self, _column: str, value: Any) -> str:
        return repr(value) if isinstance(value, (int, float)) else "'" + str(value).replace("'", "''") + "'"

    def earlier(self, column: str, value: Any, overlap: float) -> str:
        """For ISO text the moment cut to the second: a prefix, so it sorts before every finer one."""
        if isinstance(value, (int, float)):
            return f"({value!r} - {overlap:.15g})"
        try:
            moment = datetime.fromisoformat(value) - timedelta(seconds=overlap)
        except (ValueError, OverflowError) as error:
            raise FatalError(
                "cursor.overlap",
                f"an overlap needs ISO times or numbers, and {column!r} holds {value!r}",
                next_step="leave overlap: out, or choose another cursor column",
            ) from error
        text = moment.date().isoformat()
        if len(value) > len(text):
            text += value[len(text)] + moment.time().isoformat("seconds")
        return self.literal(column, text)


def _words(value: Any) -> str | None:
    """A value's own words: integers and text as they are, doubles with all their digits, binary as hex."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, float):
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), repr(value))
    return str(value)
