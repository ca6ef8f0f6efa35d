"""JSON: one document that holds a list of objects; values are staged as raw tokens (``core/documents.py``).

The document is read whole, up to ``max_bytes``; a broken one is refused whole, since nobody knows what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa

from dragoman.core.batch import POSITION, ReadBatch, Reject
from dragoman.core.documents import list_at, read_objects, table_of
from dragoman.core.errors import FatalError
from dragoman.formats.bytestream import Encoded, Utf8Source, shown
from dragoman.formats.json_options import json_options
from dragoman.formats.json_writer import Frame, JsonWriter

__all__ = ["carry_over", "open_writer", "read"]

_FRAME = Frame(begin="[", lead="\n", between=",\n", end="\n]\n")


def read(stream: BinaryIO, options: Mapping[str, Any], *, origin: str, batch_rows: int) -> Iterator[ReadBatch]:
    """Batches of at most ``batch_rows`` records each; positions are places in the list, from 1.

    Raises:
        FatalError: ``json.broken`` with the byte, ``json.records`` where there is no list, ``json.too_large``.
    """
    chosen = json_options(options)
    source = Utf8Source(stream, options, origin=origin, kind="json")
    items = _items(_whole(source, chosen.max_bytes), chosen.records, origin)
    for at in range(0, len(items), batch_rows):
        part = items[at : at + batch_rows]
        records, broken = read_objects(part)
        rejects = [
            Reject(
                code="json.broken",
                message=f"element {at + index + 1} of the list cannot be read: {why}",
                stage="read",
                position=f"{origin}:{at + index + 1}",
                original=shown(bytes(part[index])),
            )
            for index, why in broken.items()
        ]
        table = table_of(records)
        numbers = [at + index + 1 for index in range(len(part)) if index not in broken]
        if broken and numbers:
            table = table.append_column(pa.field(POSITION, pa.int64()), pa.array(numbers, pa.int64()))
        yield ReadBatch(table, origin=origin, first=numbers[0] if numbers else at + 1, rejects=rejects)


def open_writer(stream: BinaryIO, schema: pa.Schema, options: Mapping[str, Any], *, continues: bool) -> JsonWriter:
    """A writer of records of that schema; ``continues``: elements stand in the file already, without the end."""
    chosen = json_options(options)
    encoded = Encoded(stream, chosen.encoding, "json", begins=not continues)
    return JsonWriter(encoded, schema, _FRAME, binary=chosen.binary, continues=continues)


def carry_over(old: BinaryIO, stream: BinaryIO, schema: pa.Schema, options: Mapping[str, Any], *, origin: str) -> bool:
    """Copy the elements that stand in a file for a writer that ``continues``; whether there are any.

    Raises:
        FatalError: where the file is no JSON list, or too large to be read whole.
    """
    del schema  # each object says its own keys
    chosen = json_options(options)
    source = Utf8Source(old, {**options, "compression": "none"}, origin=origin, kind="json")
    text = _whole(source, chosen.max_bytes)
    if not text.strip() or not _items(text, "", origin):
        return False
    target = Encoded(stream, chosen.encoding, "json", begins=True)
    target.write(text.rstrip()[:-1].rstrip())
    target.flush()
    return True


def _whole(source: Utf8Source, most: int) -> bytes:
    text = source.read(most + 1)
    if len(text) > most:
        raise FatalError(
            "json.too_large",
            f"{source.origin} is larger than {most} bytes",
            next_step="write a greater max_bytes in the format, or use NDJSON, which is read line by line",
        )
    return text


def _items(text: bytes, records: str, origin: str) -> list[Any]:
    try:
        return list_at(text, records)
    except FatalError as error:
        raise FatalError(error.code, f"{origin}: {error.message}", next_step=error.next_step) from error
