"""Translate: whole-set translations (``sql:``, ``python:``) need all their input, so their outputs are staged.

Field maps are not computed here: they are a pure function of a sealed batch and are computed in the stream of the
delivery (``chain.py``).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from dragoman.core.batch import Reject
from dragoman.core.failpoints import failpoint
from dragoman.core.flow import Flow, TranslationSpec
from dragoman.steps.backfill import Backfill
from dragoman.steps.chain import Chain, root_of, route_outputs
from dragoman.steps.extract import extract_stream
from dragoman.steps.kinds import observed
from dragoman.steps.rejects import RejectLog, explain_positions
from dragoman.steps.replays.replay_sets import stage_outputs_again
from dragoman.steps.staged import staged_batches
from dragoman.steps.staged_columns import packed_columns, with_start
from dragoman.steps.work import Work, at_work
from dragoman.steps.workplace import Workplace
from dragoman.translation.engine import SetInput, SetTranslator, Translated

__all__ = ["translate", "translate_node"]

_ROWS = 65_536


def translate(
    flow: Flow, place: Workplace, node: str, *, run_id: str = "", trigger: str = "", backfill: Backfill | None = None
) -> dict[str, Any]:
    """Compute one whole-set translation of the open run and stage its outputs."""
    with at_work(flow, place, run_id=run_id, trigger=trigger, backfill=backfill) as work:
        spec = work.translation(node)
        if work.closed or spec is None:
            return work.facts() if work.closed else work.unknown(node)
        if work.anew:
            for source in work.flow.sources:
                for stream in source.streams:
                    extract_stream(work, source, stream)
        translate_node(work, spec)
        return work.facts(node)


def translate_node(work: Work, spec: TranslationSpec) -> None:
    """Compute it, unless it is no whole-set translation or an earlier try has."""
    if not spec.is_set or work.node_state(spec.node):
        return
    if work.run.replay:
        stage_outputs_again(work, spec)
        return
    ledger = work.place.ledger
    ledger.drop_batches(work.run_id, work.token, spec.node)
    work.stage.drop(spec.node)
    if any(ledger.batches(work.run_id, root_of(work, node)) for node in spec.inputs):
        translator = SetTranslator(spec, memory=work.flow.policy.memory, timeout=work.flow.policy.timeout)
        result = translator.apply({node: _input(work, node) for node in spec.inputs})
    else:
        result = Translated()
    log = RejectLog(work.stage, spec.node, "translate")
    log.add(_explained(work, spec, result))
    log.flush()
    filtered = sum(result.filtered.values())
    counts: Counter[str] = Counter(
        {
            "in": result.records_in,
            "passed": result.passed,
            "filtered": filtered,
            "rejected": (rejected := result.records_in - result.passed - filtered),
            "rejected_lines": len(result.rejects) - rejected,
            "outputs": result.outputs.num_rows,
        }
    )
    counts.update({f"filtered.{reason}": number for reason, number in result.filtered.items()})
    for seq, start in enumerate(range(0, result.outputs.num_rows, _ROWS)):
        outputs = result.outputs.slice(start, _ROWS)
        route_outputs(work, spec.node, outputs, counts)
        sealed = work.stage.seal(spec.node, seq, outputs)
        ledger.record_batch(work.run_id, work.token, spec.node, seq, sealed=sealed)
    ledger.seal_node(work.run_id, work.token, spec.node, "translation", dict(counts), rejects=log.rows)
    failpoint("translate.set.recorded")


def _explained(work: Work, spec: TranslationSpec, result: Translated) -> list[Reject]:
    """Its rejects, with the records that they come from; an output that was rejected is its own original."""
    outputs = packed_columns(with_start(result.outputs, spec.node, {}))
    of_inputs = []
    for reject in result.rejects:
        if reject.original is None:
            of_inputs.append(reject)
        else:
            reject.shape = outputs
    for root in {root_of(work, node) for node in spec.inputs} if of_inputs else ():
        for batch in staged_batches(work, root):
            explain_positions(of_inputs, with_start(batch.table, root, {}), batch.rid_base)
    return result.rejects


def _input(work: Work, node: str) -> SetInput:
    root = root_of(work, node)
    shape = observed(work, root)
    stream = work.stream(node)
    if stream is not None or root == node:
        batches = ((batch.rid_base, batch.table) for batch in staged_batches(work, node))
        return SetInput(node, shape.schema, batches, shape.kinds, timezone=stream.timezone if stream else "")
    chain = Chain(work, node, shape)
    outputs = ((batch.rid_base, chain.apply(batch).outputs) for batch in staged_batches(work, root))
    return SetInput(node, chain.schema, outputs)
