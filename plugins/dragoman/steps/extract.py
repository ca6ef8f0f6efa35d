"""Extract: read each stream of a source and seal it, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pyarrow as pa

from dragoman.core.batch import ReadBatch, ReadEnd, ReadKeys, with_origin
from dragoman.core.errors import FatalError
from dragoman.core.failpoints import failpoint
from dragoman.core.fieldtype import TYPE, words_of
from dragoman.core.flow import Flow, SourceSpec, StreamSpec
from dragoman.core.ports import FileSource, ReadRequest, RecordSource
from dragoman.steps.backfill import Backfill
from dragoman.steps.components import opened_source, source_can
from dragoman.steps.deletes.deletions import pieces
from dragoman.steps.deletes.vanished import compared
from dragoman.steps.files.decode import decode
from dragoman.steps.limit import over_at_once
from dragoman.steps.prefetch import Prefetch
from dragoman.steps.rejects import RejectLog
from dragoman.steps.replays.replay_stage import seal_replayed
from dragoman.steps.staged import StagedBatch, rid_base
from dragoman.steps.work import Work, at_work
from dragoman.steps.workplace import Workplace

__all__ = ["extract", "extract_stream", "read_and_seal"]


def extract(
    flow: Flow, place: Workplace, source: str, *, run_id: str = "", trigger: str = "", backfill: Backfill | None = None
) -> dict[str, Any]:
    """Read one source, all its streams, into the stage of the open run (which it opens if there is none)."""
    with at_work(flow, place, run_id=run_id, trigger=trigger, backfill=backfill) as work:
        spec = work.source(source)
        if work.closed or spec is None:
            return work.facts() if work.closed else work.unknown(source)
        for stream in spec.streams:
            extract_stream(work, spec, stream)
        return work.facts(*(stream.node for stream in spec.streams))


def extract_stream(work: Work, source: SourceSpec, stream: StreamSpec) -> None:
    """Seal one stream, unless an earlier try of this run has."""
    if work.node_state(stream.node):
        return
    if work.run.replay and not stream.lookup_only:
        _read_from_rejects(work, stream)
        return
    for _batch in read_and_seal(work, source, stream):
        continue


def _read_from_rejects(work: Work, stream: StreamSpec) -> None:
    """Instead of its source a replay reads the originals of rejects; cursor and marks stay."""
    read = seal_replayed(work, stream.node)
    counts = {"read": read, "handed_on": read, "rejected": 0, "filtered": 0}
    work.place.ledger.seal_node(work.run_id, work.token, stream.node, "source", counts)
    failpoint("extract.sealed")


def read_and_seal(work: Work, source: SourceSpec, stream: StreamSpec) -> Iterator[StagedBatch]:
    """Read ahead in a thread, seal here, and hand each sealed batch on; at the end the node is sealed.

    What an unfinished try left of this stream is dropped and read again: nothing of it was delivered, for a delivery
    commits only after this node is sealed.
    """
    sealing = _Sealing(work, stream)
    try:
        with _reading(work, source, stream) as items:
            for item in items:
                if isinstance(item, ReadEnd):
                    sealing.end = item
                    continue
                yield from sealing.take(item)
                if sealing.seen_enough:
                    sealing.end = ReadEnd(nothing_new=True)
                    break
        yield from sealing.take_vanished()
        sealing.finish()
    finally:
        sealing.close()


class _Sealing:
    """One stream on its way into the stage, and its account."""

    def __init__(self, work: Work, stream: StreamSpec) -> None:
        self.work = work
        self.stream = stream
        self.log = RejectLog(work.stage, stream.node, "read")
        self.counts: Counter[str] = Counter(read=0, handed_on=0, rejected=0, filtered=0)
        self.end: ReadEnd | None = None
        self.limit = None if stream.lookup_only else work.read_limit
        self._seq = 0
        self._vanished = compared(work, stream)
        work.place.ledger.drop_batches(work.run_id, work.token, stream.node)
        work.stage.drop(stream.node)

    @property
    def seen_enough(self) -> bool:
        """Whether a preview has its records."""
        return self.limit is not None and self.counts["handed_on"] >= self.limit

    def close(self) -> None:
        """Give back what a comparison of keys has opened."""
        if self._vanished is not None:
            self._vanished.close()

    def take(self, item: ReadBatch | ReadKeys) -> Iterator[StagedBatch]:
        """Seal one batch, in pieces where it holds deleted records beside others."""
        if self._vanished is not None and (isinstance(item, ReadKeys) or self.stream.cursor is None):
            self._vanished.add(item)
        if isinstance(item, ReadKeys):
            return
        spec = self.stream.deletes
        for piece in pieces(item, spec) if spec is not None and spec.column else (item,):
            batch = self._seal(piece)
            if batch is not None:
                yield batch

    def take_vanished(self) -> Iterator[StagedBatch]:
        """Seal the deletions that the comparison of keys has found; only after a reading that went to its end."""
        if self._vanished is None or self.end is None:
            return
        for item in self._vanished.gone():
            batch = self._seal(item)
            if batch is not None:
                yield batch
        self.end = replace(self.end, marks={**self.end.marks, **self._vanished.marks()})

    def _seal(self, item: ReadBatch) -> StagedBatch | None:
        work, node = self.work, self.stream.node
        if self.limit is not None:
            item = replace(item, table=item.table.slice(0, self.limit - self.counts["handed_on"]))
        self.counts["read"] += item.read
        self.counts["filtered"] += sum(item.filtered.values())
        self.counts.update({f"filtered.{reason}": number for reason, number in item.filtered.items()})
        self.log.add(item.rejects)
        if over_at_once(work.flow.policy, self.log.count, self.counts["read"]) and not work.run.accepted:
            raise work.held(self.log.count, self.counts["read"], [self.log])
        if not item.table.num_rows:
            return None
        table = _declared(with_origin(item), self.stream)
        sealed = work.stage.seal(node, self._seq, table)
        work.place.ledger.record_batch(work.run_id, work.token, node, self._seq, sealed=sealed)
        failpoint("extract.batch.recorded")
        self.counts["handed_on"] += table.num_rows
        self.counts["deletions"] += table.num_rows if item.deleted else 0
        work.place.progress("read", self.counts["read"])
        batch = StagedBatch(
            f"{work.run_id}/{node}/{self._seq:05d}", self._seq, rid_base(work.node_index(node), self._seq), table
        )
        self._seq += 1
        return batch

    def finish(self) -> None:
        """Seal the node: its counts, the cursor to move and the marks to set when the run closes."""
        work, node, end = self.work, self.stream.node, self.end
        if end is None:
            raise FatalError(
                "read.no_end",
                f"the source {node!r} stopped after {self.counts['read']} records without saying that this was all",
                next_step="this is a fault of the connector: report it; the next run reads again",
            )
        self._refuse_nothing(end)
        self.counts["rejected"] = self.log.count
        self.counts["nothing_new"] = int(end.nothing_new and not self.counts["read"])
        work.place.ledger.seal_node(
            work.run_id,
            work.token,
            node,
            "source",
            dict(self.counts),
            cursor=end.cursor,
            marks=dict(end.marks),
            rejects=self.log.flush(),
        )
        failpoint("extract.sealed")

    def _refuse_nothing(self, end: ReadEnd) -> None:
        if self.counts["read"] or end.nothing_new or self.work.flow.policy.allow_empty or self.stream.lookup_only:
            return
        raise FatalError(
            "read.empty",
            f"the source {self.stream.node!r} held no record at all",
            next_step="if that can be right, write policy: {allow_empty: true}; else look at the source",
        )


@contextmanager
def _reading(work: Work, source: SourceSpec, stream: StreamSpec) -> Iterator[Iterator[ReadBatch | ReadKeys | ReadEnd]]:
    """The stream's batches, read ahead in a thread."""
    ledger, integration, node = work.place.ledger, work.flow.integration, stream.node
    can = source_can(source)
    with opened_source(source, stream, work.place.connections) as opened:
        if work.run.live:
            request = ReadRequest(
                stream=stream.name,
                cursor=ledger.cursor(integration, node),
                marks=lambda key: ledger.mark(integration, node, key),
            )
        else:
            request = ReadRequest(stream=stream.name, interval=None if stream.lookup_only else work.run.interval)
        if stream.deletes is not None and not stream.deletes.column and stream.cursor is not None:
            request = replace(request, keys=stream.deletes.keys if request.interval is None else ())
        request = replace(request, allow_empty=work.flow.policy.allow_empty)
        if can.freeze and stream.cursor is not None and request.interval is None:
            bound = work.run.bounds.get(node)
            if bound is None:
                bound = cast("RecordSource", opened).freeze(request)
                ledger.set_bound(work.run_id, work.token, node, bound)
            request = replace(request, bound=bound)
        reading: Iterator[ReadBatch | ReadKeys | ReadEnd]
        if can.files:
            reading = decode(cast("FileSource", opened), request, stream.format)
        else:
            reading = cast("RecordSource", opened).read(request)
        with Prefetch(reading, depth=1, name=f"read {node}") as items:
            yield items


def _declared(table: pa.Table, stream: StreamSpec) -> pa.Table:
    """The same table with the YAML's ``types:`` beside the words."""
    if not stream.types:
        return table
    schema = table.schema
    missing = [name for name in stream.types if name not in schema.names]
    documents = any(words_of(field) == "json" for field in schema)
    if missing and not documents:
        raise FatalError(
            "read.unknown_column",
            f"types: of {stream.node!r} names {', '.join(missing)}, and the source has {', '.join(schema.names)}",
            next_step="correct the name under types:",
        )
    fields = [
        field.with_metadata((field.metadata or {}) | {TYPE: stream.types[field.name].encode()})
        if field.name in stream.types
        else field
        for field in schema
    ]
    return table.cast(pa.schema(fields, metadata=schema.metadata))
