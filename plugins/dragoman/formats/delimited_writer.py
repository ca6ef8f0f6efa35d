"""Writes CSV as RFC 4180 has it: NULL is an empty field, the empty text a quoted one.

Lines are joined by Arrow, column by column; the bytes of the joined array are the bytes of the file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import Refused
from dragoman.core.errors import ConfigError, FatalError
from dragoman.formats.bytestream import Encoded, carried
from dragoman.formats.delimited_dialect import Dialect, dialect_of
from dragoman.formats.delimited_layout import Splitter
from dragoman.formats.words import portions, values_of, words

__all__ = ["DelimitedWriter", "carry_over", "open_writer"]

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


def carry_over(old: BinaryIO, stream: BinaryIO, schema: pa.Schema, options: Mapping[str, Any], *, origin: str) -> bool:
    """Copy the records that stand in a file, so that a writer that ``continues`` can add to them.

    Returns:
        Whether there was anything, a header at least.

    Raises:
        FatalError: ``csv.other_header`` where the file's columns are not the schema's, in its order.
    """
    dialect = dialect_of(options, "")
    began = False
    for portion in carried(old, stream, options, origin=origin, kind="csv"):
        if not began and dialect.header:
            _same_header(portion, schema, dialect, origin)
        began = True
    return began


def _same_header(text: bytes, schema: pa.Schema, dialect: Dialect, origin: str) -> None:
    splitter = Splitter(dialect.delimiter.encode(), dialect.quote.encode(), b"")
    first = splitter.split(text if text.endswith(b"\n") else text + b"\n").ends[:1]
    line = str(text[: int(first[0])] if len(first) else text, "utf-8", "replace").rstrip("\r\n")
    found = next(csv.reader([line], delimiter=dialect.delimiter, quotechar=dialect.quote), [])
    if found != schema.names:
        raise FatalError(
            "csv.other_header",
            f"{origin} has the columns {', '.join(found)}; the records to add have {', '.join(schema.names)}",
            next_step="write mode: replace, another path, or {run} in the path, so that each run makes its own file",
        )


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
        for _, part in portions(table):
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
        self._stream.write(values_of(lines))

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
