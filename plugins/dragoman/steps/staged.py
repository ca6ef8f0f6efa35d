"""A sealed batch in hand, and how record ids are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from dragoman.steps.work import Work

__all__ = ["StagedBatch", "rid_base", "staged_batches", "where_is"]

_SEQ_BITS = 24
_NODE_BITS = 48


@dataclass(frozen=True)
class StagedBatch:
    """``rid_base`` + row is the record's id within the run."""

    batch_id: str
    seq: int
    rid_base: int
    table: pa.Table


def rid_base(node_index: int, seq: int) -> int:
    """The id of a batch's first record: node << 48 | batch << 24 (up to 16.7 million records a batch)."""
    return node_index << _NODE_BITS | seq << _SEQ_BITS


def where_is(rid: int) -> tuple[int, int, int]:
    """Node index, batch and row of a record id."""
    mask = (1 << _SEQ_BITS) - 1
    return rid >> _NODE_BITS, rid >> _SEQ_BITS & mask, rid & mask


def staged_batches(work: Work, node: str) -> Iterator[StagedBatch]:
    """The sealed batches of a node, in order; each one's hash is checked as it is read."""
    index = work.node_index(node)
    for row in work.place.ledger.batches(work.run_id, node):
        table = work.stage.load(row.path, row.sha256)
        yield StagedBatch(f"{work.run_id}/{node}/{row.seq:05d}", row.seq, rid_base(index, row.seq), table)
