"""The shape of what a node staged: all its columns, and the kinds of those that hold raw JSON.

Documents may bring new keys in any batch, so their shape is known only when all are sealed; it is looked at once and
is then the same for every batch and every try, since sealed batches never change.
"""

from __future__ import annotations

import pyarrow as pa

from dragoman.core.fieldtype import words_of
from dragoman.steps.staged import staged_batches
from dragoman.steps.work import Work
from dragoman.translation.kinds import merge_all, observe

__all__ = ["observed"]


def observed(work: Work, node: str) -> tuple[pa.Schema, dict[str, str]]:
    """The union of the batches' columns in the order they first appear, and the kind of each undeclared JSON column."""
    fields: dict[str, pa.Field] = {}
    kinds: dict[str, str] = {}
    for batch in staged_batches(work, node):
        for field in batch.table.schema:
            fields.setdefault(field.name, field)
        if not any(words_of(field) == "json" for field in batch.table.schema):
            break
        kinds = merge_all(kinds, observe(batch.table))
    return pa.schema(list(fields.values())), kinds
