"""CSV: the format's two verbs, ``read`` and ``open_writer``.

Reading goes in pieces of whole records: ``delimited_layout`` finds their ends and their lines, Arrow's own CSV reader
makes columns of them. Every column is text in the file's own words; an unquoted empty field is NULL, a quoted one the
empty text (as psql has it). A record that cannot be read is a reject with its line and its raw text. Blank lines hold
no record, unless the file has one column only, in which they are NULL.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa

from dragoman.core.batch import HIDDEN, POSITION, ReadBatch
from dragoman.core.errors import FatalError
from dragoman.formats.bytestream import Utf8Source, shown
from dragoman.formats.delimited_dialect import Dialect, dialect_of
from dragoman.formats.delimited_layout import Layout, Splitter
from dragoman.formats.delimited_parse import parse
from dragoman.formats.delimited_writer import carry_over, open_writer

__all__ = ["carry_over", "open_writer", "read"]

_FIRST_PORTION = 1 << 18
_LARGEST_PORTION = 16 << 20
_RECORD_FIELDS = 4
"""A record may be this many times as long as the longest field."""


def read(stream: BinaryIO, options: Mapping[str, Any], *, origin: str, batch_rows: int) -> Iterator[ReadBatch]:
    """Batches of at most ``batch_rows`` records each, all columns text.

    Args:
        stream: the file's bytes.
        options: as in ``formats.yaml``.
        origin: the file's path, for positions and messages.
        batch_rows: the most records of a batch.

    Raises:
        ConfigError: options that contradict each other.
        FatalError: ``csv.truncated`` (an unclosed quote, a cut gzip), ``csv.header``, ``csv.encoding``,
            ``csv.record_too_long``.
    """
    dialect = dialect_of(options, origin)
    source = Utf8Source(stream, options, origin=origin, kind="csv")
    return _Reader(source, dialect, origin, batch_rows).batches()


class _Reader:
    def __init__(self, source: Utf8Source, dialect: Dialect, origin: str, batch_rows: int) -> None:
        self._source = source
        self._dialect = dialect
        self._origin = origin
        self._batch_rows = batch_rows
        self._splitter = Splitter(dialect.delimiter.encode(), dialect.quote.encode(), dialect.escape.encode())
        self._data = b""
        self._ended = False
        self._line = 1
        self._row_bytes = 0.0

    def batches(self) -> Iterator[ReadBatch]:
        self._skip(self._dialect.skip_rows)
        names = self._names()
        if names is None:
            return
        self._fill(_FIRST_PORTION)
        while self._data:
            layout = self._splitter.split(self._data)
            if layout.cut == 0:
                self._grow()
                continue
            data, self._data = self._data[: layout.cut], self._data[layout.cut :]
            yield from self._piece(data, layout, names)
            self._line += layout.after
            self._row_bytes = layout.cut / len(layout.ends)
            self._fill(min(_LARGEST_PORTION, int(self._row_bytes * self._batch_rows * 0.99)))

    def _piece(self, data: bytes, layout: Layout, names: list[str]) -> Iterator[ReadBatch]:
        table, lines, rejects = parse(data, layout, names, self._dialect, self._line)
        for reject in rejects:
            reject.position = f"{self._origin}:{reject.position}"
        for at in range(0, max(table.num_rows, 1), self._batch_rows):
            part, numbers = table.slice(at, self._batch_rows), lines[at : at + self._batch_rows]
            first = int(numbers[0]) if len(numbers) else self._line
            if len(numbers) and int(numbers[-1]) - first != len(numbers) - 1:
                part = part.append_column(pa.field(POSITION, pa.int64()), pa.array(numbers))
            if part.num_rows or rejects:
                yield ReadBatch(part, origin=self._origin, first=first, rejects=rejects)
            rejects = []

    def _fill(self, size: int) -> None:
        """Have at least ``size`` bytes waiting, or the rest of the file with a line end behind it."""
        missing = size - len(self._data)
        if missing <= 0 or self._ended:
            return
        more = self._source.read(missing)
        self._data = self._data + more if self._data else more
        if len(more) < missing:
            self._ended = True
            if self._data and not self._data.endswith(b"\n"):
                self._data += b"\n"

    def _grow(self) -> None:
        """No record ends in what waits: read on, or say why there is no end."""
        limit = self._dialect.max_field * _RECORD_FIELDS
        if self._ended:
            raise FatalError(
                "csv.truncated",
                f"{self._origin} is cut, or a quote is never closed: the record that begins on line {self._line} "
                "does not end",
                next_step="have the file sent again, or correct the quote on that line; nothing of it was taken over",
            )
        if len(self._data) > limit:
            raise FatalError(
                "csv.record_too_long",
                f"the record that begins on line {self._line} of {self._origin} is longer than {limit} bytes",
                next_step="look for a quote that is never closed, or write a greater max_field in the format",
            )
        self._fill(max(2 * len(self._data), _FIRST_PORTION))

    def _skip(self, rows: int) -> None:
        self._fill(_FIRST_PORTION)
        for _ in range(rows):
            while b"\n" not in self._data and not self._ended:
                self._grow()
            _, _, self._data = self._data.partition(b"\n")
            self._line += 1

    def _names(self) -> list[str] | None:
        """The columns' names; None for a file that holds nothing at all."""
        if not self._dialect.header:
            return self._dialect.columns
        layout = self._splitter.split(self._data)
        while not layout.cut:
            if not self._data:
                return None
            self._grow()
            layout = self._splitter.split(self._data)
        end = int(layout.ends[0])
        raw, self._data = self._data[:end], self._data[end:]
        at, self._line = self._line, self._line + int(layout.lines[1] if len(layout.lines) > 1 else layout.after)
        return _checked(self._header(raw.rstrip(b"\r\n"), at), self._origin, at)

    def _header(self, raw: bytes, line: int) -> list[str]:
        dialect = self._dialect
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FatalError(
                "csv.encoding",
                f"line {line} of {self._origin}, the header, is not {self._source.encoding}: {shown(raw)[:200]}",
                next_step="write the file's encoding in its format, such as encoding: cp1252",
            ) from error
        rows = csv.reader(
            [text],
            delimiter=dialect.delimiter,
            quotechar=dialect.quote or None,
            escapechar=dialect.escape or None,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        )
        try:
            return next(iter(rows), [])
        except csv.Error as error:
            raise FatalError(
                "csv.header", f"the header of {self._origin} (line {line}) cannot be read: {error}"
            ) from error


def _checked(names: list[str], origin: str, line: int) -> list[str]:
    """A name for every column, each of its own; DuckDB takes names that differ only in case for one."""
    seen: dict[str, str] = {}
    wrong = ""
    for at, name in enumerate(names, 1):
        if not name.strip():
            wrong = f"column {at} has no name"
        elif "\0" in name:
            wrong = f"the name of column {at} holds a NUL"
        elif name in HIDDEN:
            wrong = f"the name {name!r} is kept for Dragoman itself"
        elif name.lower() in seen:
            twin = seen[name.lower()]
            wrong = f"the name {name!r} stands twice" if twin == name else f"{twin!r} and {name!r} differ only in case"
        if wrong:
            break
        seen[name.lower()] = name
    if not names:
        wrong = "it is empty"
    if wrong:
        raise FatalError(
            "csv.header",
            f"the header of {origin} (line {line}) cannot be used: {wrong}",
            next_step="correct the header, or write header: false, skip_rows: 1 and columns: [...] in the format",
        )
    return names
