"""What a run has to know of the integration's other runs: live ones and backfills may stand unfinished side by side."""

from __future__ import annotations

from shlex import quote

from dragoman.core.errors import RetriableError
from dragoman.core.flow import Flow
from dragoman.ledger.rows import Run
from dragoman.steps.pinned import find_pinned
from dragoman.steps.workplace import Workplace

__all__ = ["committed", "deliveries_begun", "overtaken", "wait_for_others"]


def committed(place: Workplace, run_id: str) -> bool:
    """Whether any destination has, or may have, taken something of the run."""
    return bool(deliveries_begun(place, run_id))


def deliveries_begun(place: Workplace, run_id: str) -> set[str]:
    """The deliveries whose destination has, or may have, taken something of the run."""
    prepared = {row.node for row in place.ledger.nodes(run_id) if row.kind == "delivery"}
    return prepared | set(place.ledger.nodes_with_intents(run_id))


def wait_for_others(flow: Flow, place: Workplace, run_id: str) -> None:
    """A run that stopped in the middle of its deliveries goes first: it may not deliver older records over newer."""
    for other in place.ledger.unfinished_runs(flow.integration):
        if other.run_id == run_id or not committed(place, other.run_id):
            continue
        pinned = find_pinned(place, other) or flow
        done = {row.node for row in place.ledger.nodes(other.run_id) if row.kind == "delivery" and row.state == "done"}
        if done.issuperset(spec.node for spec in pinned.deliveries):
            continue
        words = ""
        if other.interval:
            words = f" --from {quote(other.interval[0])} --to {quote(other.interval[1])}"
        raise RetriableError(
            "run.other_first",
            f"the {other.kind} run {other.run_id} of {flow.integration} has begun to deliver and has not ended",
            next_step=f"dragoman run {flow.integration}{words} finishes it",
        )


def overtaken(place: Workplace, run: Run) -> bool:
    """Whether another run has delivered since this one was read: what it staged may be older than what is there."""
    sealed = [row.changed_at for row in place.ledger.nodes(run.run_id) if row.kind == "source"]
    return bool(sealed) and place.ledger.delivered_since(run.integration, min(sealed), run.run_id)
