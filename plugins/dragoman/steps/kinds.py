"""The shape of what a node staged: all its columns, and the kinds of those that hold raw JSON.

Documents may bring new keys in any batch, so their shape is known only when all are sealed; it is looked at once and
is then the same for every batch and every try, since sealed batches never change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from dragoman.core.batch import is_deleted
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import words_of
from dragoman.steps.staged import staged_batches
from dragoman.steps.staged_columns import tallies_in
from dragoman.steps.work import Work
from dragoman.translation.kinds import Tallies, add_all, kinds_of, observe

__all__ = ["Shape", "columns_before", "observed"]


@dataclass(frozen=True)
class Shape:
    """``schema``: the batches' columns in the order they first appear.

    ``kinds``: of undeclared JSON columns, and of the paths into them that the translations of this node use;
    ``tallies``: the values that they were seen in.
    """

    schema: pa.Schema
    kinds: dict[str, str] = field(default_factory=dict)
    tallies: Tallies = field(default_factory=dict)


def observed(work: Work, node: str) -> Shape:
    """What the node staged; a node that staged nothing has the columns that it had the last time."""
    fields: dict[str, pa.Field] = {}
    deleted: dict[str, pa.Field] = {}
    tallies: Tallies = {}
    before: Tallies = {}
    readers = [spec for spec in work.flow.translations if node in spec.inputs]
    for batch in staged_batches(work, node):
        gone = is_deleted(batch.table)
        for column in batch.table.schema:
            (deleted if gone else fields).setdefault(column.name, column)
        if not gone and not any(words_of(column) == "json" for column in batch.table.schema):
            return Shape(pa.schema(list(fields.values())))
        add_all(tallies, observe(batch.table, readers))
        before = tallies_in(batch.table.schema)
    if not fields:
        known = {column.name: column for column in columns_before(work, node)} | deleted
        return Shape(pa.schema(list(known.values())), kinds_of(tallies), tallies)
    tallies |= before  # a few replayed records show less than all that were read with them
    fields |= {name: column for name, column in deleted.items() if name not in fields}
    return Shape(pa.schema(list(fields.values())), kinds_of(tallies), tallies)


def columns_before(work: Work, node: str) -> pa.Schema:
    """The columns that the node had in the newest run whose stage is still kept; none where there is no such run."""
    row = work.place.ledger.latest_batch(work.flow.integration, node)
    if row is None:
        return pa.schema([])
    try:
        return work.place.stage.load(row.path, row.sha256).schema
    except FatalError:
        return pa.schema([])
