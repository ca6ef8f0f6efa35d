"""The stage of a replay: the originals of rejects, sealed again as their source had given them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from dragoman.core.batch import HIDDEN, ONLY, POSITION, RECORD, VERSION
from dragoman.core.errors import FatalError
from dragoman.core.failpoints import failpoint
from dragoman.core.fieldtype import TYPE
from dragoman.steps.kinds import columns_before
from dragoman.steps.replays.narrowing import text_of
from dragoman.steps.replays.replay_input import Refusal, Replayed
from dragoman.steps.staged_columns import columns_of, tokens_of, with_start
from dragoman.steps.work import Work
from dragoman.translation.kinds import Tallies, add_all

__all__ = ["seal_replayed", "staged_again"]

_ROWS = 16_384


@dataclass
class _Shape:
    """All columns of the records that start at one node; the newest word on each holds."""

    fields: dict[str, pa.Field] = field(default_factory=dict)
    tallies: Tallies = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    seen: set[tuple[str, str]] = field(default_factory=set)


def seal_replayed(work: Work, node: str) -> int:
    """Seal the replayed records that start at a node, as an earlier try of this run may have; returns how many.

    What the ledger counts of the node is the caller's.
    """
    ledger = work.place.ledger
    ledger.drop_batches(work.run_id, work.token, node)
    work.stage.drop(node)
    sealed = 0
    for seq, table in enumerate(staged_again(work, node)):
        done = work.stage.seal(node, seq, table)
        ledger.record_batch(work.run_id, work.token, node, seq, sealed=done)
        failpoint("replay.batch.recorded")
        sealed += table.num_rows
        work.place.progress("read", sealed)
    return sealed


def staged_again(work: Work, node: str) -> Iterator[pa.Table]:
    """The records that start at a node as tables of staged columns, with all that is hidden in them."""
    shape = _shape_of(work, node)
    schema = pa.schema(list(shape.fields.values()))
    for records in _portions(one for one in _records(work) if one.start == node):
        try:
            table = tokens_of([one.original for one in records], schema)
        except pa.ArrowInvalid as error:
            raise FatalError(
                "replay.unfit",
                f"a record of {node!r} cannot be staged again as it was: {error}",
                next_step=f"correct it: dragoman correct {work.flow.integration} NUMBER --set FIELD=VALUE",
            ) from error
        hidden = {
            POSITION: [one.position for one in records],
            RECORD: [one.record for one in records],
            VERSION: [one.version for one in records],
            ONLY: [text_of(one.parts) for one in records],
        }
        for name, values in hidden.items():
            table = table.append_column(pa.field(name, pa.string()), pa.array(values, pa.string()))
        yield with_start(table, node, shape.tallies)


def _records(work: Work) -> Iterator[Replayed]:
    for one in work.replay_input.records():
        if isinstance(one, Refusal):
            raise FatalError(one.code, f"reject {one.number}: {one.message}", next_step=one.next_step)
        yield one


def _shape_of(work: Work, node: str) -> _Shape:
    known = columns_before(work, node) if work.stream(node) else ()
    shape = _Shape({one.name: one for one in known if one.name not in HIDDEN})
    for record in _records(work):
        if record.start == node and record.shape and (record.run_id, record.shape) not in shape.seen:
            shape.seen.add((record.run_id, record.shape))
            _learn(work, shape, record)
    stream = work.stream(node)
    for name, said in stream.types.items() if stream else ():
        if name in shape.fields:
            one = shape.fields[name]
            shape.fields[name] = one.with_metadata((one.metadata or {}) | {TYPE: said.encode()})
    return shape


def _learn(work: Work, shape: _Shape, record: Replayed) -> None:
    """Columns as they were staged, but for types that the YAML declared then: today's hold."""
    columns = columns_of(record.shape)
    copy = work.replay_input.copy(record.run_id)
    declared = {name for one in copy.streams if one.node == record.start for name in one.types}
    for one in columns.fields:
        if one.name in declared:
            kept = {name: value for name, value in (one.metadata or {}).items() if name != TYPE}
            one = one.with_metadata(kept)  # noqa: PLW2901
        shape.fields[one.name] = one
    if record.run_id not in shape.runs:
        shape.runs.add(record.run_id)
        add_all(shape.tallies, {name: Counter(tally) for name, tally in columns.tallies.items()})


def _portions(records: Iterable[Replayed]) -> Iterator[list[Replayed]]:
    portion: list[Replayed] = []
    for record in records:
        portion.append(record)
        if len(portion) == _ROWS:
            yield portion
            portion = []
    if portion:
        yield portion
