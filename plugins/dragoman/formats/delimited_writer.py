"""Writes CSV as RFC 4180 has it: NULL is an empty field, the empty text a quoted one.

Lines are joined by Arrow, column by column; the bytes of the joined array are the bytes of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import Refused
from dragoman.core.errors import ConfigError
from dragoman.formats.bytestream import Encoded
from dragoman.formats.delimited_dialect import Dialect, dialect_of
from dragoman.formats.words import words

__all__ = ["DelimitedWriter", "open_writer"]

_ROWS = 65_536
_FORMULA = r"^[=+\-@\t\r]"


def open_writer(stream: BinaryIO, schema: pa.Schema, options: Mapping[str, Any], *, continues: bool) -> DelimitedWriter:
    """A writer of records of that schema; ``continues``: records stand in the file already, and no header follows.

    Raises:
        ConfigError: ``csv.option``.
    """
    dialect = dialect_of(options, "")
    if not dialect.quote:
        raise ConfigError("csv.option", "without a quote not every text can be written: leave the option quote out")
    return DelimitedWriter(Encoded(stream, dialect.encoding, "csv", begins=not continues), schema, dialect, continues)


class DelimitedWriter:
    """``write`` tables, then ``finish``."""

    def __init__(self, stream: Encoded, schema: pa.Schema, dialect: Dialect, continues: bool) -> None:
        self._stream = stream
        self._schema = schema
        self._dialect = dialect
        self._end = "\r\n" if dialect.newline == "crlf" else "\n"
        delimiter, quote = dialect.delimiter, dialect.quote
        special = "".join(re.escape(mark) for mark in {delimiter, quote})
        self._needs_quotes = rf"[{special}\r\n]|^$"
        if dialect.header and not continues:
            self._lines([pa.chunked_array([[name]], pa.string()) for name in schema.names])

    def write(self, table: pa.Table) -> list[Refused]:
        """Write the rows; CSV holds every value, so none is refused."""
        for at in range(0, table.num_rows, _ROWS):
            part = table.slice(at, _ROWS)
            columns = []
            for name in self._schema.names:
                text = words(part.column(name), self._dialect.binary)
                guard = self._dialect.formula_guard and pa.types.is_string(part.column(name).type)
                columns.append(self._guarded(text) if guard else text)
            self._lines(columns)
        return []

    def finish(self) -> None:
        """Write what waits."""
        self._stream.flush()

    def _guarded(self, text: pa.ChunkedArray) -> pa.ChunkedArray:
        risky = pc.match_substring_regex(text, _FORMULA)
        return pc.if_else(risky, pc.binary_join_element_wise("'", text, ""), text)

    def _lines(self, columns: list[pa.ChunkedArray]) -> None:
        fields = [self._quoted(column.combine_chunks()) for column in columns]
        joined = fields[0] if len(fields) == 1 else self._join(fields, self._dialect.delimiter)
        lines = self._join([joined, pa.scalar("")], self._end)
        for chunk in lines.chunks if isinstance(lines, pa.ChunkedArray) else [lines]:
            self._stream.write(values_of(chunk))

    def _join(self, fields: list[Any], separator: str) -> Any:
        return pc.binary_join_element_wise(*fields, separator, null_handling="replace", null_replacement="")

    def _quoted(self, text: Any) -> Any:
        quote = self._dialect.quote
        needed = pc.match_substring_regex(text, self._needs_quotes)
        for word in self._dialect.nulls:
            needed = pc.or_(needed, pc.equal(text, word))
        if not pc.any(needed).as_py():
            return text
        doubled = pc.replace_substring(text, quote, quote * 2)
        return pc.if_else(needed, pc.binary_join_element_wise(quote, doubled, quote, ""), text)


def values_of(array: pa.Array) -> memoryview:
    """The bytes of all values of a text array without NULLs, one after the other."""
    if not len(array):
        return memoryview(b"")
    offsets = memoryview(array.buffers()[1]).cast("i")
    return memoryview(array.buffers()[2])[offsets[array.offset] : offsets[array.offset + len(array)]]
