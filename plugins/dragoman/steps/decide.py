"""What a person decides about a held or failed run: resume, accept, abandon. Each is written to the audit."""

from __future__ import annotations

from typing import Any

from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.flow import Flow
from dragoman.ledger.rows import Run
from dragoman.steps.other_runs import committed
from dragoman.steps.partly_delivered import must_end_the_same, must_not_double
from dragoman.steps.pinned import pinned_flow
from dragoman.steps.report import report_of
from dragoman.steps.work import Work, repin
from dragoman.steps.workplace import Workplace

__all__ = ["abandon", "accept", "find_run", "resume"]


def find_run(place: Workplace, run_id: str) -> Run:
    """The run of that id; ``ConfigError`` where the ledger has none."""
    try:
        return place.ledger.run(run_id)
    except FatalError as error:
        raise ConfigError(error.code, error.message, next_step=error.next_step) from error


def resume(flow: Flow, place: Workplace, run: Run) -> None:
    """Let a held or failed run go on by today's mapping (a new pinned copy).

    A run that is partly delivered only where it then ends as if the mapping had been right from the start.
    """
    _must_be(run, "held", "failed")
    with place.ledger.take_lease(run.integration) as lease:
        pinned = pinned_flow(place, run)
        must_end_the_same(flow, Work(pinned, place, lease, run))
        adopted = place.ledger.adopt_run(run.run_id, lease.token)
        place.ledger.audit(place.actor, "resume", run.run_id, f"{run.digest} -> {flow.digest}")
        repin(flow, pinned, place, lease, adopted)


def accept(place: Workplace, run: Run) -> None:
    """Let a held run deliver its good records and keep its rejects, whatever its limit says."""
    _must_be(run, "held")
    with place.ledger.take_lease(run.integration) as lease:
        place.ledger.accept_run(run.run_id, lease.token)
        place.ledger.audit(place.actor, "accept", run.run_id, run.error)


def abandon(place: Workplace, run: Run) -> dict[str, Any]:
    """Give a run up; its cursors stay where they were, so the next run reads its records again.

    A run that is partly delivered only where nothing doubles by that.
    """
    _must_be(run, "held", "failed", "open")
    if committed(place, run.run_id):
        must_not_double(place, pinned_flow(place, run), run)
    with place.ledger.take_lease(run.integration) as lease:
        adopted = place.ledger.adopt_run(run.run_id, lease.token)
        place.ledger.close_run(
            run.run_id,
            lease.token,
            "failed",
            adopted.figures,
            error_code="run.abandoned",
            error=f"given up by {place.actor}",
            move_cursors=False,
        )
        place.ledger.close_rejects(run.run_id, "abandoned")
        place.ledger.audit(place.actor, "abandon", run.run_id, run.error)
    return report_of(place, run.run_id)


def _must_be(run: Run, *states: str) -> None:
    if run.finished or run.state not in states:
        raise ConfigError(
            "run.wrong_state",
            f"run {run.run_id} of {run.integration} is {'closed, ' if run.finished else ''}{run.state}; "
            f"expected {' or '.join(states)}",
            next_step=f"dragoman runs {run.integration}",
        )
