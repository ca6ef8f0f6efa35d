"""The translations between a stage and a delivery, as one pure function of a sealed batch.

A chain starts at a stage (a stream, or a whole-set translation) and applies one translation after the other; each
keeps its own accounting, and every output keeps the id of the record it comes from.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

from dragoman.core.batch import HIDDEN, RID, Reject, visible
from dragoman.core.flow import TranslationSpec
from dragoman.steps.kinds import Shape
from dragoman.steps.rejects import explain_positions
from dragoman.steps.staged import StagedBatch, staged_batches
from dragoman.steps.work import Work
from dragoman.translation.engine import Translated, Translator
from dragoman.translation.route import route

__all__ = ["Chain", "Made", "root_of", "route_outputs"]


@dataclass
class Made:
    """What a chain makes of one batch: for each delivery its outputs (with ``_rid``), for each node what to count."""

    batch: StagedBatch
    outputs: pa.Table
    shares: dict[str, pa.Table] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    rejects: dict[str, list[Reject]] = field(default_factory=dict)


def root_of(work: Work, node: str) -> str:
    """The stage that a node's records come from: the node itself, if it is a stream or a whole-set translation."""
    while True:
        spec = work.translation(node)
        if spec is None or spec.is_set:
            return node
        node = spec.inputs[0]


class Chain:
    """The translations from a stage to ``node``, compiled for the columns that the stage has."""

    def __init__(self, work: Work, node: str, shape: Shape) -> None:
        self._work = work
        self._links: list[tuple[TranslationSpec, Translator]] = []
        specs: list[TranslationSpec] = []
        while (spec := work.translation(node)) is not None and not spec.is_set:
            specs.insert(0, spec)
            node = spec.inputs[0]
        self._root = node
        stream = work.stream(node)
        schema, kinds = shape.schema, shape.kinds
        for spec in specs:
            translator = Translator(
                spec,
                schema,
                timezone=stream.timezone if stream else "",
                lookups={lookup.name: lookup_table(work, lookup.source) for lookup in spec.lookups},
                memory=work.flow.policy.memory,
                timeout=work.flow.policy.timeout,
                kinds=kinds,
            )
            self._links.append((spec, translator))
            schema, kinds = translator.schema, {}
        self.schema = pa.schema([column for column in schema if column.name not in HIDDEN])

    @property
    def nodes(self) -> tuple[str, ...]:
        """The translations of the chain, in order."""
        return tuple(spec.node for spec, _translator in self._links)

    def apply(self, batch: StagedBatch) -> Made:
        """Translate one batch; rejects have their position and their original."""
        made = Made(batch, batch.table)
        if not self._links:
            made.shares = route_outputs(self._work, self._root, batch.table, Counter())
        table, rids = batch.table, None
        for spec, translator in self._links:
            result = translator.apply(table, batch.rid_base if rids is None else 0)
            outputs, rejects = result.outputs, result.rejects
            if rids is not None:
                at = outputs.column_names.index(RID)
                outputs = outputs.set_column(at, RID, rids.take(outputs.column(RID)))
                for reject in rejects:
                    reject.rid = rids[reject.rid].as_py()
            counts = _counts(result)
            made.shares |= route_outputs(self._work, spec.node, outputs, counts)
            made.counts[spec.node] = counts
            made.rejects[spec.node] = explain_positions(rejects, batch.table, batch.rid_base)
            made.outputs, rids, table = outputs, outputs.column(RID), visible(outputs)
        return made


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
    tables = [visible(batch.table) for batch in staged_batches(work, node)]
    if not tables:
        return pa.table({})
    return pa.concat_tables([table.replace_schema_metadata(None) for table in tables], promote_options="permissive")


def route_outputs(work: Work, node: str, outputs: pa.Table, counts: Counter[str]) -> dict[str, pa.Table]:
    """What each delivery of a translation takes of its outputs; what none wants is counted as ``no_route``."""
    takers = [delivery for delivery in work.flow.deliveries if delivery.input == node]
    if not takers:
        return {}
    if all(not one.when and not one.otherwise for one in takers):
        shares, homeless = {one.node: outputs for one in takers}, 0
    else:
        shares, homeless = route(outputs, {one.node: (one.when, one.otherwise) for one in takers})
    counts["no_route"] += homeless
    for name, table in shares.items():
        counts[f"routed.{name}"] += table.num_rows
    return shares
