"""From a piece of whole delimited records to columns of text, and rejects for the records that do not fit."""

from __future__ import annotations

import codecs

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from dragoman.core.batch import Reject
from dragoman.core.errors import FatalError
from dragoman.formats.bytestream import shown
from dragoman.formats.delimited_dialect import Dialect
from dragoman.formats.delimited_layout import Layout

__all__ = ["parse"]

Lines = npt.NDArray[np.int64]


class _Piece:
    """A piece without the records that were taken out of it; ``lines`` and ``starts`` of those that stay."""

    def __init__(self, data: bytes, layout: Layout, line: int) -> None:
        self.data = data
        self.starts = layout.starts()
        self.ends = layout.ends
        self.lines: Lines = layout.lines + line
        self.rejects: list[Reject] = []

    def raw(self, at: int) -> bytes:
        return self.data[self.starts[at] : self.ends[at]]

    def refuse(self, at: int, code: str, message: str) -> None:
        raw = shown(self.raw(at).rstrip(b"\r\n"))
        position = str(int(self.lines[at]))
        self.rejects.append(Reject(code=code, message=message, stage="read", position=position, original=raw))

    def without(self, gone: Lines) -> None:
        keep = np.ones(len(self.ends), dtype=bool)
        keep[gone] = False
        kept = np.flatnonzero(keep)
        parts = [self.raw(at) for at in kept.tolist()]
        self.data = b"".join(parts)
        self.ends = np.cumsum(np.fromiter(map(len, parts), dtype=np.int64, count=len(parts)))
        self.starts = np.concatenate([np.zeros(1, dtype=np.int64), self.ends])[: len(parts)]
        self.lines = self.lines[kept]


def parse(
    data: bytes, layout: Layout, names: list[str], dialect: Dialect, line: int
) -> tuple[pa.Table, Lines, list[Reject]]:
    """The piece's table (text columns ``names``), the line of each of its rows, and the rejects.

    ``line`` is the line on which the piece begins; the rejects' ``position`` is their line.
    """
    piece = _Piece(data, layout, line)
    for at in layout.torn:
        piece.refuse(at, "csv.quotes", f"line {int(piece.lines[at])} has text behind a closing quote")
    blanks = layout.blanks(data) if len(names) > 1 else np.empty(0, dtype=np.int64)
    if len(blanks) or layout.torn:
        piece.without(np.concatenate([blanks, np.array(layout.torn, dtype=np.int64)]))
    if not len(piece.ends):
        return pa.table({name: pa.array([], pa.string()) for name in names}), piece.lines, piece.rejects
    wrong: dict[int, int] = {}
    try:
        table = _columns(piece.data, names, dialect, pa.string(), wrong)
    except pa.ArrowInvalid:
        wrong.clear()
        table = _columns(piece.data, names, dialect, pa.binary(), wrong)
    for at, found in wrong.items():
        fields = f"{found} field" + ("s" if found != 1 else "")
        piece.refuse(at, "csv.fields", f"line {int(piece.lines[at])} has {fields}, expected {len(names)}")
    fitting = np.delete(np.arange(len(piece.ends)), list(wrong))
    if table.num_rows != len(fitting):
        raise FatalError(
            "csv.unclear",
            f"the records from line {int(piece.lines[0])} on cannot be told apart for certain: "
            f"{len(fitting)} were counted, {table.num_rows} were read",
            next_step="check quote, escape and the line ends of the file",
        )
    bad = _unreadable(table, dialect, len(data))
    for row, (code, message) in bad.items():
        piece.refuse(int(fitting[row]), code, f"line {int(piece.lines[fitting[row]])} {message}")
    if bad:
        kept = np.delete(np.arange(table.num_rows), list(bad))
        table, fitting = table.take(pa.array(kept)), fitting[kept]
    table = table.cast(pa.schema([pa.field(name, pa.string()) for name in names]))
    return table, piece.lines[fitting], sorted(piece.rejects, key=lambda reject: int(reject.position))


def _columns(data: bytes, names: list[str], dialect: Dialect, kind: pa.DataType, wrong: dict[int, int]) -> pa.Table:
    def note(row: csv.InvalidRow) -> str:
        wrong[row.number - 1] = row.actual_columns
        return "skip"

    if data.startswith(codecs.BOM_UTF8):  # Arrow drops one from the beginning of whatever it is given
        data = codecs.BOM_UTF8 + data
    return csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
        parse_options=csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            double_quote=bool(dialect.quote),
            escape_char=dialect.escape or False,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=note,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, kind),
            null_values=["", *dialect.nulls],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _unreadable(table: pa.Table, dialect: Dialect, size: int) -> dict[int, tuple[str, str]]:
    """Rows that hold text of another encoding, or a field that is too long."""
    bad: dict[int, tuple[str, str]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if size > dialect.max_field:
            long = pc.greater(pc.binary_length(column), dialect.max_field)
            for row in np.flatnonzero(pc.fill_null(long, fill_value=False).to_numpy()).tolist():
                bad[row] = ("csv.field_too_long", f"has a field {name!r} longer than {dialect.max_field} bytes")
        if pa.types.is_binary(column.type) and not _is_text(column):
            for row, value in enumerate(column.to_pylist()):
                if value is not None and not _decodes(value):
                    bad[row] = (
                        "csv.encoding",
                        f"has text in {name!r} that is not {dialect.encoding}: {shown(value)[:80]}",
                    )
    return bad


def _is_text(column: pa.ChunkedArray) -> bool:
    try:
        column.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _decodes(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
