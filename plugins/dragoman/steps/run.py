"""Run: all four steps in one process, reading, staging, translating and delivering at the same time where that is safe.

They may overlap where the destination applies the whole run in one transaction, which commits after the last batch is
sealed and the limit is judged; and where the first batch tells the shape of all (documents may bring new keys in any
batch, so they are sealed first). Otherwise everything is sealed before the first record is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from dragoman.core.errors import RetriableError
from dragoman.core.fieldtype import words_of
from dragoman.core.flow import Flow, SourceSpec, StreamSpec
from dragoman.steps.backfill import Backfill
from dragoman.steps.behind import BehindError
from dragoman.steps.chain import root_of
from dragoman.steps.components import destination_can
from dragoman.steps.deliver import deliver_node
from dragoman.steps.extract import extract_stream, read_and_seal
from dragoman.steps.reconcile import close, finish
from dragoman.steps.report import report_of
from dragoman.steps.staged import StagedBatch
from dragoman.steps.work import Work, at_work
from dragoman.steps.workplace import Workplace

__all__ = ["run", "run_to_the_end"]


def run(
    flow: Flow, place: Workplace, *, run_id: str = "", trigger: str = "", backfill: Backfill | None = None
) -> dict[str, Any]:
    """One run from its opening (or from where an unfinished one stopped) to its verdict; returns its report."""
    try:
        return _attempt(flow, place, run_id, trigger, backfill)
    except BehindError:
        return _attempt(flow, place, run_id, trigger, backfill)


def _attempt(flow: Flow, place: Workplace, run_id: str, trigger: str, backfill: Backfill | None) -> dict[str, Any]:
    with at_work(flow, place, run_id=run_id, trigger=trigger, backfill=backfill) as work:
        if not work.closed:
            run_to_the_end(work)
        return report_of(place, work.run_id)


def run_to_the_end(work: Work) -> None:
    """Every step that the run still lacks, overlapping where that is safe."""
    pair = _overlapping(work)
    if pair is not None:
        source, stream = pair
        for other in work.flow.sources:
            for one in other.streams:
                if one.node != stream.node:
                    extract_stream(work, other, one)
        _stream_through(work, source, stream)
    finish(work)
    close(work)


def _overlapping(work: Work) -> tuple[SourceSpec, StreamSpec] | None:
    """The stream that can be delivered while it is read, if there is one."""
    if len(work.flow.deliveries) != 1 or work.run.replay:
        return None
    delivery = work.flow.deliveries[0]
    if destination_can(delivery).visible != "run":
        return None
    root = root_of(work, delivery.input)
    if work.node_state(root):
        return None
    for source in work.flow.sources:
        for stream in source.streams:
            if stream.node == root:
                return source, stream
    return None


def _stream_through(work: Work, source: SourceSpec, stream: StreamSpec) -> None:
    batches = read_and_seal(work, source, stream)
    first = next(batches, None)
    if first is None:
        return
    if any(words_of(field) == "json" for field in first.table.schema):
        for _batch in batches:
            continue
        return
    try:
        deliver_node(work, work.flow.deliveries[0], live=_rest(first, batches))
    except BehindError:
        raise
    except RetriableError:
        for _batch in batches:  # the next try then delivers from the stage, and nobody asks the source again
            continue
        raise


def _rest(first: StagedBatch, batches: Iterator[StagedBatch]) -> Iterator[StagedBatch]:
    return chain([first], batches)
