"""What tells outputs apart: the id of the record that each comes from, and which state of it.

The state is known by the source's own words (the cursor, or the place in a file), so that a run which reads it again
because the ledger was lost gives it the same idempotency key, and one that comes back after another gets a new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import LINE, RECORD, RID, VERSION, has_versions, version_of
from dragoman.core.flow import CursorSpec

__all__ = ["numbered", "record_ids", "record_versions", "with_records"]


def with_records(
    outputs: pa.Table,
    staged: pa.Table,
    rid_base: int,
    run_id: str,
    *,
    linked: bool,
    cursor: CursorSpec | None = None,
    keyed: bool = False,
) -> pa.Table:
    """The outputs with ``_record``, the id that the record of each got when it was first read, and ``_version``.

    Args:
        outputs: what a chain made of one staged batch.
        staged: the batch; what is replayed carries ``_record``.
        rid_base: the record id of its first row.
        run_id: the run that reads them now.
        linked: whether a translation stands between; if not, an output is a staged row of its own.
        cursor: the stream's; with an id, or where outputs have a key, its value tells the states of a record apart.
        keyed: whether outputs have a key.
    """
    if RECORD in outputs.column_names:
        return outputs
    if linked:
        rows = pc.subtract(outputs.column(RID), rid_base)
    else:
        rows = pa.chunked_array([pa.array(range(outputs.num_rows), pa.int64())])
    if RECORD in staged.column_names:
        ids = staged.column(RECORD).take(rows)
    else:
        ids = pc.binary_join_element_wise(run_id, pc.cast(pc.add(rows, rid_base), pa.string()), ":")
    versions = _versions(staged, cursor if cursor and (cursor.id or keyed) else None).take(rows)
    return outputs.append_column(RECORD, ids).append_column(VERSION, versions)


def _versions(staged: pa.Table, cursor: CursorSpec | None) -> pa.Array | pa.ChunkedArray:
    names = [name for name in (cursor.column, cursor.id) if name] if cursor else []
    if names and set(names) <= set(staged.column_names):
        return pc.binary_join_element_wise(*(pc.cast(staged.column(name), pa.string()) for name in names), "\0")
    if not has_versions(staged):
        return pa.nulls(staged.num_rows, pa.string())
    return pa.array([version_of(staged, row) or None for row in range(staged.num_rows)], pa.string())


def record_ids(outputs: pa.Table, batch_id: str) -> list[str]:
    """The record's id of each output, with ``:<line>`` where it is a line of it; without any, its row in the batch."""
    if RECORD not in outputs.column_names:
        return [f"{batch_id}:{row}" for row in range(outputs.num_rows)]
    ids = outputs.column(RECORD)
    if LINE in outputs.column_names:
        ids = pc.binary_join_element_wise(ids, pc.cast(outputs.column(LINE), pa.string()), ":")
    texts: list[str] = ids.to_pylist()
    return texts


def record_versions(outputs: pa.Table) -> list[str | None]:
    """The state of the record of each output, with ``:<line>`` where it is a line of it; None where it is unknown."""
    if VERSION not in outputs.column_names:
        return [None] * outputs.num_rows
    versions = outputs.column(VERSION)
    if LINE in outputs.column_names:
        versions = pc.binary_join_element_wise(versions, pc.cast(outputs.column(LINE), pa.string()), ":")
    texts: list[str | None] = versions.to_pylist()
    return texts


def numbered(records: Sequence[str]) -> list[str]:
    """Each record's id, with ``:1``, ``:2``, … behind it where it stands there several times."""
    times = Counter(records)
    if len(times) == len(records):
        return list(records)
    seen: Counter[str] = Counter()
    done = []
    for record in records:
        seen[record] += 1
        done.append(f"{record}:{seen[record]}" if times[record] > 1 else record)
    return done
