"""The shape of what a node staged: all its columns, the kinds of those that hold raw JSON, and some of its records.

Documents may bring new keys in any batch, so their shape is known only when all are sealed; it is looked at once and
is then the same for every batch and every try, since sealed batches never change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import words_of
from dragoman.steps.staged import staged_batches
from dragoman.steps.work import Work
from dragoman.translation.kinds import merge_all, observe

__all__ = ["Shape", "observed"]

_SAMPLE_ROWS = 100_000


@dataclass(frozen=True)
class Shape:
    """``schema``: the batches' columns in the order they first appear. ``kinds``: of undeclared JSON columns.

    ``sample``: the first records, for what only an expression asks about (the kinds of nested values); None where the
    columns are not JSON.
    """

    schema: pa.Schema
    kinds: dict[str, str] = field(default_factory=dict)
    sample: pa.Table | None = None


def observed(work: Work, node: str) -> Shape:
    """What the node staged; a node that staged nothing has the columns that it had the last time."""
    fields: dict[str, pa.Field] = {}
    kinds: dict[str, str] = {}
    some: list[pa.Table] = []
    for batch in staged_batches(work, node):
        for column in batch.table.schema:
            fields.setdefault(column.name, column)
        if not any(words_of(column) == "json" for column in batch.table.schema):
            return Shape(pa.schema(list(fields.values())))
        kinds = merge_all(kinds, observe(batch.table))
        if sum(table.num_rows for table in some) < _SAMPLE_ROWS:
            some.append(batch.table)
    if not fields:
        return Shape(_as_before(work, node))
    schema = pa.schema(list(fields.values()))
    sample = pa.concat_tables([table.replace_schema_metadata(None) for table in some], promote_options="default")
    return Shape(schema, kinds, sample)


def _as_before(work: Work, node: str) -> pa.Schema:
    """The columns that the node had in the newest run whose stage is still kept; none where there is no such run."""
    row = work.place.ledger.latest_batch(work.flow.integration, node)
    if row is None:
        return pa.schema([])
    try:
        return work.place.stage.load(row.path, row.sha256).schema
    except FatalError:
        return pa.schema([])
