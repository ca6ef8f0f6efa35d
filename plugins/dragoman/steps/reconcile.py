"""Reconcile: do what is still lacking, check that every record is accounted for, move the cursors, close."""

from __future__ import annotations

from typing import Any, cast

from dragoman.core.errors import FatalError
from dragoman.core.failpoints import failpoint
from dragoman.core.flow import Flow
from dragoman.core.ports import FileSource
from dragoman.steps.accounting import judge
from dragoman.steps.backfill import Backfill
from dragoman.steps.components import opened_source, source_can
from dragoman.steps.deletes.vanished import keep_newest
from dragoman.steps.deliver import deliver_node
from dragoman.steps.inputs import seal_inputs
from dragoman.steps.proof.merge_receipts import merge_when_due
from dragoman.steps.report import report_of
from dragoman.steps.work import Work, at_work
from dragoman.steps.workplace import Workplace

__all__ = ["close", "finish", "reconcile"]


def reconcile(
    flow: Flow, place: Workplace, *, run_id: str = "", trigger: str = "", backfill: Backfill | None = None
) -> dict[str, Any]:
    """Finish and close the run; returns its report. A red run raises after its verdict is written."""
    with at_work(flow, place, run_id=run_id, trigger=trigger, backfill=backfill) as work:
        if not work.closed:
            finish(work)
            close(work)
        return report_of(place, work.run_id)


def finish(work: Work) -> None:
    """Do every step that this run has not done yet; each knows its own state, so nothing is done twice."""
    seal_inputs(work)
    for delivery in work.flow.deliveries:
        deliver_node(work, delivery)


def close(work: Work) -> None:
    """Check the accounting and write the verdict; cursors move with it, in the same transaction.

    They move for a run in doubt too, which is red: all its records are accounted for, and to read them again would send
    again what has arrived. Only a live run moves any.
    """
    ledger = work.place.ledger
    rows = {row.node: row for row in ledger.nodes(work.run_id)}
    verdict = judge(work.flow, {name: row.counts for name, row in rows.items()})
    failpoint("reconcile.judged")
    if not verdict.balanced:
        raise FatalError(
            "run.unbalanced",
            f"run {work.run_id} does not balance: " + "; ".join(verdict.faults),
            next_step="this is a fault of the program: report it with the output of: "
            f"dragoman runs {work.flow.integration} --json",
        )
    counted = [stream.node for stream in work.flow.streams if not stream.lookup_only]
    nothing = all(rows[node].counts.get("nothing_new", 0) for node in counted)
    state = "in_doubt" if verdict.figures["in_doubt"] else "nothing_new" if nothing else "done"
    moves = work.run.live
    figures = {**verdict.figures, "receipts": ledger.receipts_of_run(work.run_id)}
    work.run = ledger.close_run(work.run_id, work.token, state, figures, move_cursors=moves)
    failpoint("reconcile.closed")
    merge_when_due(work)
    after_close(work)


def after_close(work: Work) -> None:
    """What sources do once their records are safe: files are moved where ``after:`` says."""
    if not work.run.live:
        return
    for stream in work.flow.streams:
        keep_newest(work, stream)
    for source in work.flow.sources:
        if not source_can(source).files:
            continue
        for stream in source.streams:
            row = work.node_row(stream.node)
            if row is None or not row.marks:
                continue
            with opened_source(source, stream, work.place.connections) as opened:
                cast("FileSource", opened).after_close(sorted(row.marks))
