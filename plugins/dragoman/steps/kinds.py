"""The shape of what a node staged: all its columns, and the kinds of those that hold raw JSON.

Documents may bring new keys in any batch, so their shape is known only when all are sealed; it is looked at once and
is then the same for every batch and every try, since sealed batches never change.
"""

from __future__ import annotations

import pyarrow as pa

from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import words_of
from dragoman.steps.staged import staged_batches
from dragoman.steps.work import Work
from dragoman.translation.kinds import merge_all, observe

__all__ = ["observed"]


def observed(work: Work, node: str) -> tuple[pa.Schema, dict[str, str]]:
    """The union of the batches' columns in the order they first appear, and the kind of each undeclared JSON column.

    A node that staged nothing has the columns that it had the last time it staged something.
    """
    fields: dict[str, pa.Field] = {}
    kinds: dict[str, str] = {}
    for batch in staged_batches(work, node):
        for field in batch.table.schema:
            fields.setdefault(field.name, field)
        if not any(words_of(field) == "json" for field in batch.table.schema):
            break
        kinds = merge_all(kinds, observe(batch.table))
    if not fields:
        return _as_before(work, node), {}
    return pa.schema(list(fields.values())), kinds


def _as_before(work: Work, node: str) -> pa.Schema:
    """The columns that the node had in the newest run whose stage is still kept; none where there is no such run."""
    row = work.place.ledger.latest_batch(work.flow.integration, node)
    if row is None:
        return pa.schema([])
    try:
        return work.place.stage.load(row.path, row.sha256).schema
    except FatalError:
        return pa.schema([])
