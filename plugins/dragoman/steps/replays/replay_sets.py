"""Whole-set translations in a replay: they are not computed again, what was rejected of their outputs is staged anew.

Of a set nothing can be said by some of its records alone, so a replay starts from the outputs; ``checks:`` hold for
them as they did.
"""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from dragoman.core.batch import HIDDEN, RID
from dragoman.core.failpoints import failpoint
from dragoman.core.flow import TranslationSpec
from dragoman.steps.chain import own_ids, route_outputs
from dragoman.steps.rejects import RejectLog, explain_positions
from dragoman.steps.replays.narrowing import HAD, Narrowing, Upstream
from dragoman.steps.replays.replay_stage import staged_again
from dragoman.steps.staged import rid_base
from dragoman.steps.work import Work
from dragoman.translation.engine import Translator

__all__ = ["stage_outputs_again"]


def stage_outputs_again(work: Work, spec: TranslationSpec) -> None:
    """Stage the outputs that are replayed, checked; the records of its inputs count as delivered before."""
    ledger, upstream = work.place.ledger, Upstream(work.flow)
    log = RejectLog(work.stage, spec.node, "translate")
    counts: Counter[str] = Counter({"in": _offered(work, spec), "passed": 0, "rejected": 0, "outputs": 0})
    counts["filtered"] = counts[f"filtered.{HAD}"] = counts["in"]
    ledger.drop_batches(work.run_id, work.token, spec.node)
    work.stage.drop(spec.node)
    for seq, table in enumerate(staged_again(work, spec.node)):
        base = rid_base(work.node_index(spec.node), seq)
        whole = table.append_column(pa.field(RID, pa.int64()), own_ids(table, base))
        good = _checked(work, spec, whole, base, log)
        counts.update({"read": table.num_rows, "outputs": good.num_rows})
        base_of_good = good.set_column(good.column_names.index(RID), RID, own_ids(good, base))
        route_outputs(work, spec.node, base_of_good, counts, Narrowing.of(upstream, good, base))
        sealed = work.stage.seal(spec.node, seq, good)
        ledger.record_batch(work.run_id, work.token, spec.node, seq, sealed=sealed)
        failpoint("replay.batch.recorded")
    log.flush()
    counts["rejected_lines"] = log.count
    ledger.seal_node(work.run_id, work.token, spec.node, "translation", dict(counts), rejects=log.rows)
    failpoint("translate.set.recorded")


def _checked(work: Work, spec: TranslationSpec, table: pa.Table, base: int, log: RejectLog) -> pa.Table:
    """The outputs that today's ``checks:`` let pass; the others are rejects."""
    if not spec.checks:
        return table
    columns = pa.schema([one for one in table.schema if one.name not in HIDDEN])
    checks = TranslationSpec(node=spec.node, inputs=(spec.node,), checks=spec.checks)
    translator = Translator(checks, columns, memory=work.flow.policy.memory, timeout=work.flow.policy.timeout)
    try:
        made = translator.apply(table, 0)
    finally:
        translator.close()
    for reject in made.rejects:
        reject.rid += base
    log.add(explain_positions(made.rejects, table, base))
    return table.take(made.outputs.column(RID))


def _offered(work: Work, spec: TranslationSpec) -> int:
    """Records that its inputs hand on."""
    rows = (work.node_row(node) for node in spec.inputs)
    return sum(row.counts.get("handed_on", row.counts.get("outputs", 0)) for row in rows if row)
