"""The translations between a stage and a delivery, as one pure function of a sealed batch.

A chain starts at a stage (a stream, or a whole-set translation) and applies one translation after the other; each
keeps its own accounting, and every output keeps the id of the record it comes from.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import HIDDEN, LINE, LINE_BITS, RID, Reject, is_deleted, visible
from dragoman.core.flow import TranslationSpec
from dragoman.steps.deletes.removals import Removals, key_spec
from dragoman.steps.kinds import Shape
from dragoman.steps.rejects import explain_positions, original_of
from dragoman.steps.replays.narrowing import Narrowing, Upstream
from dragoman.steps.staged import StagedBatch, staged_batches
from dragoman.steps.staged_columns import with_start
from dragoman.steps.work import Work
from dragoman.translation.engine import Translated, Translator
from dragoman.translation.route import route

__all__ = ["Chain", "Made", "lookup_table", "own_ids", "root_of", "route_outputs"]


@dataclass
class Made:
    """What a chain makes of one batch: for each delivery its outputs (with ``_rid``), for each node what to count.

    ``deleted``: of these outputs only the keys are known, and they are to be erased.
    """

    batch: StagedBatch
    outputs: pa.Table
    shares: dict[str, pa.Table] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    rejects: dict[str, list[Reject]] = field(default_factory=dict)
    deleted: bool = False


def root_of(work: Work, node: str) -> str:
    """The stage that a node's records come from; see ``Flow.chain_to``."""
    return work.flow.chain_to(node)[0]


class Chain:
    """The translations from a stage to ``node``, compiled for the columns that the stage has."""

    def __init__(self, work: Work, node: str, shape: Shape) -> None:
        self._work = work
        self._links: list[tuple[TranslationSpec, Translator]] = []
        self._compiled_for: list[tuple[pa.Schema, dict[str, str]]] = []
        self._removals: list[Removals] = []
        self._root, specs = work.flow.chain_to(node)
        self._tallies = shape.tallies
        self._upstream = Upstream(work.flow)
        stream = work.stream(self._root)
        schema, kinds = shape.schema, shape.kinds
        self._timezone = stream.timezone if stream else ""
        for spec in specs:
            translator = self._translator(spec, schema, kinds)
            self._compiled_for.append((schema, kinds))
            self._links.append((spec, translator))
            schema, kinds = translator.schema, {}
        self.schema = pa.schema([column for column in schema if column.name not in HIDDEN])

    def apply(self, batch: StagedBatch) -> Made:
        """Translate one batch; rejects have their position and their original."""
        if is_deleted(batch.table):
            return self._erase(batch)
        batch = replace(batch, table=with_start(batch.table, self._root, self._tallies))
        narrowing = Narrowing.of(self._upstream, batch.table, batch.rid_base)
        made = Made(batch, batch.table)
        if not self._links:
            made.outputs = numbered(batch.table, batch.rid_base)
            made.shares = route_outputs(self._work, self._root, made.outputs, Counter(), narrowing)
        came = _Came(batch.table, own_ids(batch.table, batch.rid_base) if narrowing else None)
        for spec, translator in self._links:
            took = came.table.num_rows
            if narrowing and came.rids is not None:
                came = came.take(narrowing.entering(spec.node, came.rids))
            result = translator.apply(came.table, batch.rid_base if came.rids is None else 0)
            came.name(result)
            if narrowing:
                narrowing.narrow(spec.node, result, took)
                send_astray(self._work, spec.node, result, narrowing)
            counts = _counts(result)
            made.shares |= route_outputs(self._work, spec.node, result.outputs, counts, narrowing)
            made.counts[spec.node] = counts
            made.rejects[spec.node] = explain_positions(result.rejects, batch.table, batch.rid_base)
            made.outputs = result.outputs
            came = _Came.of(result.outputs)
        return made

    def _erase(self, batch: StagedBatch) -> Made:
        """The keys of deleted records."""
        made = Made(batch, batch.table, deleted=True)
        table, rids = batch.table, own_ids(batch.table, batch.rid_base)
        for link in self._removals or self._compile_removals():
            outputs, counts, rejects = link.apply(table, rids)
            made.shares |= link.shares(outputs)
            made.counts[link.node] = counts
            made.rejects[link.node] = explain_positions(rejects, batch.table, batch.rid_base)
            made.outputs, rids, table = outputs, outputs.column(RID), visible(outputs)
        return made

    def _compile_removals(self) -> list[Removals]:
        flow = self._work.flow
        for (spec, whole), (schema, kinds) in zip(self._links, self._compiled_for, strict=True):
            translator = self._translator(key_spec(spec, flow), schema, kinds)
            self._removals.append(Removals(flow, spec, translator, whole.schema))
        return self._removals

    def _translator(self, spec: TranslationSpec, schema: pa.Schema, kinds: dict[str, str]) -> Translator:
        work = self._work
        return Translator(
            spec,
            schema,
            timezone=self._timezone,
            lookups={lookup.name: lookup_table(work, lookup.source) for lookup in spec.lookups},
            memory=work.flow.policy.memory,
            timeout=work.flow.policy.timeout,
            kinds=kinds,
            moment=work.run.opened_at,
        )


@dataclass
class _Came:
    """What comes to a translation: records, and for all but the first translation their ids and lines."""

    table: pa.Table
    rids: pa.ChunkedArray | None = None
    lines: pa.ChunkedArray | None = None

    @classmethod
    def of(cls, outputs: pa.Table) -> _Came:
        lines = outputs.column(LINE) if LINE in outputs.column_names else None
        return cls(visible(outputs), outputs.column(RID), lines)

    def take(self, rows: pa.Array) -> _Came:
        if len(rows) == self.table.num_rows:
            return self
        rids = self.rids.take(rows) if self.rids is not None else None
        return _Came(self.table.take(rows), rids, self.lines.take(rows) if self.lines is not None else None)

    def name(self, result: Translated) -> None:
        """Give outputs and rejects, which know their row here, the id and line of the record that they come from."""
        if self.rids is None:
            return
        outputs, at = result.outputs, result.outputs.column(RID)
        if self.lines is not None:
            outer = self.lines.take(at)
            own = outputs.column(LINE) if LINE in outputs.column_names else None
            line = outer if own is None else pc.bit_wise_or(pc.shift_left(outer, LINE_BITS), own)
            outputs = outputs.drop_columns([LINE]) if own is not None else outputs
            outputs = outputs.add_column(outputs.column_names.index(RID), LINE, line)
        result.outputs = outputs.set_column(outputs.column_names.index(RID), RID, self.rids.take(at))
        for reject in result.rejects:
            outer_line = self.lines[reject.rid].as_py() if self.lines is not None else 0
            reject.line = outer_line << LINE_BITS | reject.line if reject.line else outer_line
            reject.rid = self.rids[reject.rid].as_py()


def _counts(result: Translated) -> Counter[str]:
    filtered = sum(result.filtered.values())
    rejected = result.records_in - result.passed - filtered
    counts: Counter[str] = Counter(
        {
            "in": result.records_in,
            "passed": result.passed,
            "filtered": filtered,
            "rejected": rejected,
            "rejected_lines": len(result.rejects) - rejected,
            "outputs": result.outputs.num_rows,
        }
    )
    counts.update({f"filtered.{reason}": number for reason, number in result.filtered.items()})
    return counts


def lookup_table(work: Work, node: str) -> pa.Table:
    """All records of a stream that serves a lookup."""
    tables = [visible(batch.table) for batch in staged_batches(work, node) if not is_deleted(batch.table)]
    if not tables:
        return pa.table({})
    return pa.concat_tables([table.replace_schema_metadata(None) for table in tables], promote_options="permissive")


def route_outputs(
    work: Work, node: str, outputs: pa.Table, counts: Counter[str], narrowing: Narrowing | None = None
) -> dict[str, pa.Table]:
    """What each delivery of a translation takes of its outputs; what none wants is counted as ``no_route``."""
    shares, homeless = _shares(work, node, outputs)
    counts["no_route"] += homeless
    for name, table in shares.items():
        if narrowing is not None:
            shares[name] = narrowing.share(name, table)
        counts[f"routed.{name}"] += shares[name].num_rows
    return shares


def send_astray(work: Work, node: str, result: Translated, narrowing: Narrowing) -> None:
    """Reject what is now for another delivery than the one that rejected it: that one may have had it."""
    strays = narrowing.strays(result.outputs, _shares(work, node, result.outputs)[0])
    if not strays:
        return
    took = result.records_in
    rows = {row for row, _reject in strays}
    for row, reject in strays:
        reject.mapped = original_of(result.outputs, row)
        result.rejects.append(reject)
    left = [row for row in range(result.outputs.num_rows) if row not in rows]
    result.outputs = result.outputs.take(pa.array(left, pa.int64()))
    narrowing.account(result, took)


def _shares(work: Work, node: str, outputs: pa.Table) -> tuple[dict[str, pa.Table], int]:
    takers = [delivery for delivery in work.flow.deliveries if delivery.input == node]
    if all(not one.when and not one.otherwise for one in takers):
        return {one.node: outputs for one in takers}, 0
    return route(outputs, {one.node: (one.when, one.otherwise) for one in takers}, work.run.opened_at)


def own_ids(table: pa.Table, rid_base: int) -> pa.ChunkedArray:
    """The id of each record of a staged batch."""
    return pa.chunked_array([pa.array(range(rid_base, rid_base + table.num_rows), pa.int64())])


def numbered(table: pa.Table, rid_base: int) -> pa.Table:
    """A staged batch as outputs, each with its own id in this stage."""
    ids = own_ids(table, rid_base)
    if RID in table.column_names:
        return table.set_column(table.column_names.index(RID), RID, ids)
    return table.append_column(pa.field(RID, pa.int64()), ids)
