"""Reading from a SQLite file in one snapshot, as staged words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.incremental import Asked, greatest
from dragoman.connectors._sql.interval import check_order, ends_of, like
from dragoman.connectors._sql.keyset import CHECK, KEEP, Keyset
from dragoman.connectors._sql.seen import Seen
from dragoman.connectors._sql.selection import chosen, origin_of, relation
from dragoman.connectors._sql.source import SqlSource
from dragoman.connectors.sqlite.catalog import read_table
from dragoman.connectors.sqlite.session import connect, explain, run
from dragoman.core.batch import ReadBatch
from dragoman.core.connection import Connection
from dragoman.core.errors import DragomanError, FatalError
from dragoman.core.fieldtype import FieldType, parse_type, words_field
from dragoman.core.ports import ReadRequest

__all__ = ["open_source"]

_FETCH = 4096


def open_source(connection: Connection, options: Mapping[str, Any]) -> SqlSource[sqlite3.Connection]:
    """The source of the manifest's ``source:``; nothing is opened yet."""
    return SqlSource(_Sqlite(connection, options))


class _Sqlite:
    """See ``_sql/source.py``."""

    error: type[Exception] = sqlite3.Error

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._options = options
        self._from = relation(options)
        self.origin = origin_of(options)

    def connect(self) -> sqlite3.Connection:
        return connect(self._connection, read_only=True)

    def begin(self, server: sqlite3.Connection) -> None:
        run(server, "BEGIN")

    def commit(self, server: sqlite3.Connection) -> None:
        run(server, "COMMIT")

    def explain(self, error: sqlite3.Error, doing: str) -> DragomanError:
        return explain(error, doing)

    def relation(self, server: sqlite3.Connection, request: ReadRequest, columns: Sequence[str] = ()) -> _Relation:
        options = {**self._options, "columns": columns, "cursor": None} if columns else self._options
        return _Relation(server, self._from, options, request.batch_rows)


class _Relation:
    """See ``_sql/incremental.py``. SQLite types values, not columns: each value gives its own words."""

    always_placed = False

    def __init__(self, server: sqlite3.Connection, source: str, options: Mapping[str, Any], most: int) -> None:
        self._server = server
        self._options = options
        self._most = most
        self._relation = source
        self._names = self._chosen()
        self.schema = pa.schema([words_field(name, declared=self._declared().get(name)) for name in self._names])
        cursor = options.get("cursor")
        self.keyset = Keyset.of(cursor, _Dialect()) if cursor else None

    def batches(self, tail: str = "", flag: str = "", seen: Seen | None = None) -> Iterator[ReadBatch]:
        columns = ", ".join([*([flag] if flag else []), *(quote(name) for name in self._names)])
        cursor = self._server.execute(f"SELECT {columns} FROM {self._relation} {tail}")
        rows: list[Sequence[Any]] = []
        first, dropped = 1, 0
        while fetched := cursor.fetchmany(min(_FETCH, self._most)):
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
            if len(rows) + _FETCH > self._most:
                yield self._batch(rows, first, dropped)
                first, dropped = first + len(rows), 0
                rows = []
        if rows or dropped:
            yield self._batch(rows, first, dropped)

    def ends(self, keyset: Keyset, interval: tuple[str, str]) -> list[Any]:
        """As the column holds its values: any column may hold anything, so the greatest value tells."""
        column = quote(keyset.column)
        found = run(
            self._server,
            f"SELECT {column} FROM {self._relation} WHERE {keyset.placed()} ORDER BY {column} DESC LIMIT 1",
        )
        sample = found[0][0] if found else ""
        if isinstance(sample, (int, float)):
            return [float(end) if "." in end else int(end) for end in ends_of(interval, "number")]
        zone = str(self._options.get("timezone") or "")
        first, last = (like(end, str(sample), zone) for end in interval)
        check_order(interval, empty=first > last or interval[0] == interval[1])
        return [first, last]

    def bound(self, keyset: Keyset, request: ReadRequest) -> Mapping[str, Any]:
        bound = greatest(Asked(partial(run, self._server), self._relation), keyset, request)
        if isinstance(bound.get("value"), bytes) or isinstance(bound.get("id"), bytes):
            raise FatalError(
                "cursor.binary",
                f"the cursor {keyset.column!r} holds binary values, which have no text",
                next_step="choose a column of numbers or text",
            )
        return bound

    def _chosen(self) -> list[str]:
        try:
            cursor = self._server.execute(f"SELECT * FROM {self._relation} LIMIT 0")
        except (sqlite3.Warning, sqlite3.ProgrammingError, sqlite3.OperationalError) as error:
            if not self._options.get("query"):
                raise
            raise FatalError(
                "sqlite.query", f"the query cannot be read: {error}", next_step="write one SELECT, without a semicolon"
            ) from error
        return chosen("sqlite", self._options, [column[0] for column in cursor.description])

    def _batch(self, rows: list[Sequence[Any]], first: int, dropped: int) -> ReadBatch:
        columns = zip(*rows, strict=True) if rows else [[] for _ in self.schema]
        arrays = [pa.array([_words(value) for value in column], pa.string()) for column in columns]
        filtered = {"duplicate": dropped} if dropped else {}
        return ReadBatch(pa.table(arrays, schema=self.schema), origin_of(self._options), first, filtered=filtered)

    def _declared(self) -> dict[str, FieldType]:
        """Types that the table's own declarations promise; dates have no one form in SQLite, so they stay text."""
        table = None if self._options.get("query") else read_table(self._server, str(self._options["table"]))
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
