"""Rows without a position: an incremental read can never reach them, so they are rejects and not silence."""

from __future__ import annotations

import msgspec

from dragoman.connectors._sql.keyset import Keyset
from dragoman.core.batch import ReadBatch, Reject

__all__ = ["unplaced"]


def unplaced(batch: ReadBatch, keyset: Keyset) -> ReadBatch:
    """The same rows as rejects with the code ``cursor.null``."""
    names = [name for name in (keyset.column, keyset.id) if name]
    said = f"{' or '.join(repr(name) for name in names)} is NULL, so the row has no place in an incremental read"
    rejects = []
    for number, row in enumerate(batch.table.to_pylist()):
        field = next((name for name in names if row.get(name, "") is None), keyset.column)
        original = msgspec.json.encode(row).decode()
        position = f"{batch.origin}:{field} is NULL, row {batch.first + number}"
        rejects.append(Reject("cursor.null", said, "read", field, position, original))
    return ReadBatch(batch.table.slice(0, 0), origin=batch.origin, first=batch.first, rejects=rejects)
