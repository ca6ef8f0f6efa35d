"""NDJSON: the format's verbs. One JSON object a line; values are staged as raw tokens (``core/documents.py``).

Blank lines hold no record. A broken line is a reject with its line number; a broken last line without a line end is a
file that was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa

from dragoman.core.batch import POSITION, ReadBatch, Reject
from dragoman.core.documents import read_objects, table_of
from dragoman.core.errors import FatalError
from dragoman.formats.bytestream import Encoded, Utf8Source, carried, shown
from dragoman.formats.json_options import json_options
from dragoman.formats.json_writer import Frame, JsonWriter

__all__ = ["carry_over", "open_writer", "read"]

_FRAME = Frame(tail="\n")

_PORTION = 1 << 20

Line = tuple[int, bytes]


def read(stream: BinaryIO, options: Mapping[str, Any], *, origin: str, batch_rows: int) -> Iterator[ReadBatch]:
    """Batches of at most ``batch_rows`` records each.

    Raises:
        FatalError: ``json.truncated``, ``json.gzip``, ``json.encoding``, ``json.key``.
    """
    chosen = json_options(options)
    source = Utf8Source(stream, options, origin=origin, kind="json")
    waiting: list[Line] = []
    for number, line in _lines(source, chosen.max_record):
        if line.strip():
            waiting.append((number, line))
        if len(waiting) == batch_rows:
            yield _batch(waiting, origin, chosen.max_record)
            waiting = []
    if waiting:
        yield _batch(waiting, origin, chosen.max_record)


def _lines(source: Utf8Source, longest: int) -> Iterator[Line]:
    """Lines with their numbers; of a line that is too long only the beginning, one byte longer than may be."""
    number, rest = 1, b""
    while portion := source.read(_PORTION):
        pieces = (rest + portion).split(b"\n")
        rest = pieces.pop()
        for piece in pieces:
            yield number, piece
            number += 1
        if len(rest) > longest:
            rest = rest[: longest + 1]
    if rest.strip():
        yield number, rest
        if len(rest) <= longest and read_objects([rest])[1]:
            raise FatalError(
                "json.truncated",
                f"{source.origin} is cut: its last line, {number}, has no line end and is broken: {shown(rest[-80:])}",
                next_step="have the file sent again; nothing of it was taken over",
            )


def _batch(lines: list[Line], origin: str, longest: int) -> ReadBatch:
    rejects: list[Reject] = []

    def refuse(code: str, number: int, line: bytes, why: str) -> None:
        message = f"line {number} cannot be read: {why}"
        position = f"{origin}:{number}"
        rejects.append(Reject(code=code, message=message, stage="read", position=position, original=shown(line)))

    fitting = lines
    if any(len(line) > longest for _, line in lines):
        fitting = []
        for number, line in lines:
            if len(line) > longest:
                refuse("json.too_long", number, line[:1000], f"it is longer than {longest} bytes")
            else:
                fitting.append((number, line))
    records, broken = read_objects([line for _, line in fitting])
    for at, why in broken.items():
        refuse("json.broken", *fitting[at], why)
    numbers = [number for at, (number, _) in enumerate(fitting) if at not in broken]
    table = table_of(records)
    if numbers and numbers[-1] - numbers[0] != len(numbers) - 1:
        table = table.append_column(pa.field(POSITION, pa.int64()), pa.array(numbers, pa.int64()))
    return ReadBatch(table, origin=origin, first=numbers[0] if numbers else lines[0][0], rejects=rejects)


def open_writer(stream: BinaryIO, schema: pa.Schema, options: Mapping[str, Any], *, continues: bool) -> JsonWriter:
    """A writer of records of that schema; ``continues``: whole lines stand in the file already."""
    chosen = json_options(options)
    encoded = Encoded(stream, chosen.encoding, "json", begins=not continues)
    return JsonWriter(encoded, schema, _FRAME, binary=chosen.binary, continues=continues)


def carry_over(old: BinaryIO, stream: BinaryIO, schema: pa.Schema, options: Mapping[str, Any], *, origin: str) -> bool:
    """Copy the lines that stand in a file for a writer that ``continues``; whether there are any."""
    del schema  # each object says its own keys
    size = sum(map(len, carried(old, stream, options, origin=origin, kind="json")))
    return size > 0
