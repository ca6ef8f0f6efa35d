"""Extract: read each stream of a source and seal it, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from dragoman.core.batch import ReadBatch, ReadEnd, with_origin
from dragoman.core.errors import FatalError
from dragoman.core.failpoints import failpoint
from dragoman.core.fieldtype import TYPE, words_of
from dragoman.core.flow import Flow, FormatSpec, SourceSpec, StreamSpec
from dragoman.core.ports import FileSource, ReadRequest, RecordSource
from dragoman.steps.components import opened_source, source_can
from dragoman.steps.decode import decode
from dragoman.steps.limit import over_at_once
from dragoman.steps.prefetch import Prefetch
from dragoman.steps.rejects import RejectLog
from dragoman.steps.staged import StagedBatch, rid_base
from dragoman.steps.work import Work, at_work
from dragoman.steps.workplace import Workplace

__all__ = ["extract", "extract_stream", "read_and_seal"]


def extract(flow: Flow, place: Workplace, source: str, *, run_id: str = "", trigger: str = "") -> dict[str, Any]:
    """Read one source, all its streams, into the stage of the open run (which it opens if there is none)."""
    with at_work(flow, place, run_id=run_id, trigger=trigger) as work:
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
    for _batch in read_and_seal(work, source, stream):
        continue


def read_and_seal(work: Work, source: SourceSpec, stream: StreamSpec) -> Iterator[StagedBatch]:
    """Read ahead in a thread, seal here, and hand each sealed batch on; at the end the node is sealed.

    What an unfinished try left of this stream is dropped and read again: nothing of it was delivered, for a delivery
    commits only after this node is sealed.
    """
    ledger, node = work.place.ledger, stream.node
    ledger.drop_batches(work.run_id, work.token, node)
    work.stage.drop(node)
    log = RejectLog(work.stage, node, "read")
    counts: Counter[str] = Counter()
    seq, end = 0, None
    with opened_source(source, stream, work.place.connections) as opened:
        request = _request(work, source, stream, opened)
        with Prefetch(_reading(opened, request, stream.format), depth=1, name=f"read {node}") as items:
            for item in items:
                if isinstance(item, ReadEnd):
                    end = item
                    continue
                item = _within(work.read_limit, stream, item, counts["handed_on"])
                counts["read"] += item.read
                counts["filtered"] += sum(item.filtered.values())
                _count_reasons(counts, item)
                log.add(item.rejects)
                if over_at_once(work.flow.policy, log.count, counts["read"]):
                    raise work.held(log.count, counts["read"], [log])
                if not item.table.num_rows:
                    continue
                table = with_origin(item)
                table = table.cast(_declare(table.schema, stream)) if stream.types else table
                sealed = work.stage.seal(node, seq, table)
                ledger.record_batch(work.run_id, work.token, node, seq, sealed=sealed)
                failpoint("extract.batch.recorded")
                counts["handed_on"] += table.num_rows
                work.place.progress("read", counts["read"])
                yield StagedBatch(f"{work.run_id}/{node}/{seq:05d}", seq, rid_base(work.node_index(node), seq), table)
                seq += 1
                if work.read_limit and counts["handed_on"] >= work.read_limit and not stream.lookup_only:
                    end = ReadEnd(nothing_new=True)
                    break
    if end is None:
        raise FatalError(
            "read.no_end",
            f"the source {node!r} stopped after {counts['read']} records without saying that this was all",
            next_step="this is a fault of the connector: report it; the next run reads again",
        )
    _refuse_nothing(work, stream, counts["read"], end)
    log.flush()
    counts["rejected"] = log.count
    ledger.seal_node(
        work.run_id,
        work.token,
        node,
        "source",
        {"read": 0, "handed_on": 0, "rejected": 0, "filtered": 0} | dict(counts) | {"nothing_new": int(end.nothing_new and not counts["read"])},
        cursor=end.cursor,
        marks=dict(end.marks),
        rejects=log.rows,
    )
    failpoint("extract.sealed")


def _request(
    work: Work, source: SourceSpec, stream: StreamSpec, opened: RecordSource | FileSource
) -> ReadRequest:
    ledger, integration, node = work.place.ledger, work.flow.integration, stream.node
    request = ReadRequest(
        stream=stream.name,
        cursor=ledger.cursor(integration, node),
        marks=lambda key: ledger.mark(integration, node, key),
        allow_empty=work.flow.policy.allow_empty,
    )
    if not source_can(source).freeze or stream.cursor is None or source_can(source).files:
        return request
    bound = work.run.bounds.get(node)
    if bound is None:
        bound = opened.freeze(request)  # type: ignore[union-attr]  # sources of files freeze nothing
        ledger.set_bound(work.run_id, work.token, node, bound)
    return ReadRequest(**{**vars(request), "bound": bound})


def _reading(
    opened: RecordSource | FileSource, request: ReadRequest, form: FormatSpec | None
) -> Iterator[ReadBatch | ReadEnd]:
    if hasattr(opened, "files"):
        return decode(opened, request, form)
    return opened.read(request)  # type: ignore[union-attr]


def _within(limit: int | None, stream: StreamSpec, item: ReadBatch, before: int) -> ReadBatch:
    """For a preview: no more of this batch than the limit leaves."""
    if limit is None or stream.lookup_only:
        return item
    return replace(item, table=item.table.slice(0, limit - before))


def _count_reasons(counts: Counter[str], batch: ReadBatch) -> None:
    for reason, number in batch.filtered.items():
        counts[f"filtered.{reason}"] += number


def _declare(schema: pa.Schema, stream: StreamSpec) -> pa.Schema:
    """The same schema with the YAML's ``types:`` beside the words."""
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
    return pa.schema(fields, metadata=schema.metadata)


def _refuse_nothing(work: Work, stream: StreamSpec, read: int, end: ReadEnd) -> None:
    if read or end.nothing_new or work.flow.policy.allow_empty or stream.lookup_only:
        return
    raise FatalError(
        "read.empty",
        f"the source {stream.node!r} held no record at all",
        next_step="if that can be right, write policy: {allow_empty: true}; else look at the source",
    )
