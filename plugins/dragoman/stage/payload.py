"""Rejects as a table and back: their payloads are files of the stage, the ledger only points at them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from dragoman.core.batch import Reject

__all__ = ["rejects_of", "table_of_rejects"]

_TEXTS = ("code", "message", "stage", "field", "position", "original", "mapped", "answer")
_SCHEMA = pa.schema([*((name, pa.large_string()) for name in _TEXTS), ("rid", pa.int64())])


def table_of_rejects(rejects: Sequence[Reject]) -> pa.Table:
    """One row per reject, in their order."""
    return pa.Table.from_pydict(
        {name: [getattr(reject, name) for reject in rejects] for name in _SCHEMA.names}, schema=_SCHEMA
    )


def rejects_of(table: pa.Table) -> list[Reject]:
    """The rejects of such a table."""
    return [Reject(**row) for row in table.to_pylist()]
