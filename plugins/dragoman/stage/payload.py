"""Rejects as a table and back: their payloads are files of the stage, the ledger only points at them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from dragoman.core.batch import Reject

__all__ = ["rejects_of", "table_of_rejects"]

_TEXTS = ("code", "message", "stage", "field", "position", "original", "mapped", "answer")
_ALIKE = pa.dictionary(pa.int32(), pa.large_string())
"""For what many rejects of a file share."""
_SCHEMA = pa.schema(
    [
        *((name, pa.large_string()) for name in _TEXTS),
        ("rid", pa.int64()),
        ("line", pa.int64()),
        ("record", pa.large_string()),
        ("version", pa.large_string()),
        ("only", _ALIKE),
        ("shape", _ALIKE),
    ]
)


def table_of_rejects(rejects: Sequence[Reject]) -> pa.Table:
    """One row per reject, in their order."""
    return pa.Table.from_arrays(
        [pa.array([getattr(one, name) for one in rejects], _SCHEMA.field(name).type) for name in _SCHEMA.names],
        schema=_SCHEMA,
    )


def rejects_of(table: pa.Table) -> list[Reject]:
    """The rejects of such a table."""
    return [Reject(**row) for row in table.to_pylist()]
