"""A ledger that is behind its destinations, as one put back from a backup is: it learns from them what it missed.

A destination keeps with each run's proof where the sources stood after it. Tokens only grow, so a destination that
has seen this holder's token, or a higher one, has seen runs that the ledger does not know.
"""

from __future__ import annotations

from typing import cast

import msgspec

from dragoman.core.errors import RetriableError
from dragoman.core.ports import KeepsProof, Position, RecordDestination
from dragoman.steps.components import destination_can, opened_destination
from dragoman.steps.other_runs import committed
from dragoman.steps.work import Work

__all__ = ["BehindError", "catch_up", "positions_of"]


class BehindError(RetriableError):
    """The ledger has caught up, and the run has to read again from there."""


def positions_of(work: Work) -> str:
    """Where the sources stand after this run, for the destination to keep; only a live run moves anything."""
    if not work.run.live:
        return "{}"
    left = {
        row.node: {"cursor": row.cursor, "marks": row.marks}
        for row in work.place.ledger.nodes(work.run_id)
        if row.kind == "source" and (row.cursor is not None or row.marks)
    }
    return msgspec.json.encode(left).decode()


def catch_up(work: Work) -> None:
    """Take a token above all that the destinations have seen, and the positions of runs that the ledger missed.

    Raises:
        BehindError: there were such runs; what this run has read is dropped, for they may have delivered it.
    """
    begun = committed(work.place, work.run_id)
    missed: dict[Position, str] = {}
    highest, token = 0, work.token
    for spec in work.flow.deliveries:
        if destination_can(spec).files or destination_can(spec).items:
            continue
        with opened_destination(spec, work.place.connections) as opened:
            destination, name = cast("RecordDestination", opened), work.flow.integration
            seen = destination.last_token(name, spec.node)
            if seen >= token and isinstance(destination, KeepsProof):
                missed |= dict.fromkeys(destination.positions_since(name, spec.node, token), spec.node)
            highest = max(highest, seen)
    if highest < token:
        return
    work.lease.raise_above(highest)
    if not missed or begun or not work.run.live or any(one.run_id == work.run_id for one in missed):
        return
    raise _behind(work, missed)


def _behind(work: Work, missed: dict[Position, str]) -> BehindError:
    ledger, oldest_first = work.place.ledger, sorted(missed, key=lambda one: (one.token, one.run_id))
    found = [(one.run_id, msgspec.json.decode(one.positions)) for one in oldest_first]
    ledger.adopt_positions(work.flow.integration, work.token, found, work.place.actor)
    work.run = ledger.repin_run(work.run_id, work.token, work.flow.digest, keep=())
    runs = list(dict.fromkeys(run_id for run_id, _ in found))
    return BehindError(
        "ledger.behind",
        f"the destination of {next(iter(missed.values()))!r} holds {len(runs)} run(s) that this ledger does not know, "
        f"the last {runs[-1]}; cursors and marks now stand where it ended",
        next_step="nothing: the run reads again from there",
    )
