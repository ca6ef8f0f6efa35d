"""A ledger that is behind its destinations, as one put back from a backup is: it learns from them what it missed.

A destination keeps with each run's proof where the sources stood after it. It has seen runs that the ledger does not
know where it has seen this holder's token or a higher one, for tokens only grow; and where its last run is one that the
ledger has no word of, for a ledger that was lost may have grown new tokens since.

With several deliveries the proof also says which of them still had to take their part (``positions.PENDING``). The last
run, if its proof is not at all of them, was killed in between: its positions are not taken over, so that what one
destination lacks is read again; where another would take it a second time, that is for a person to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.flow import DeliverySpec
from dragoman.core.ports import KeepsProof, Position
from dragoman.steps.components import destination_can, opened_destination
from dragoman.steps.other_runs import committed
from dragoman.steps.positions import PENDING
from dragoman.steps.proofs import proof_of
from dragoman.steps.work import Work

__all__ = ["BehindError", "catch_up"]

_LOOK_BACK = 50
_STAMP = 15
"""Characters of a run id that tell its second."""


class BehindError(RetriableError):
    """The ledger has caught up, and the run has to read again from there."""


@dataclass
class _Missed:
    """A run that the ledger does not know, as those destinations keep it that have taken it, by delivery."""

    run_id: str
    token: int = 0
    held: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def lacking(self) -> set[str]:
        """The deliveries that have not taken their part; each holder has its own, later word of that."""
        return set.intersection(
            *(set(left.get(PENDING, {}).get("deliveries", ())) - set(self.held) for left in self.held.values())
        )

    @property
    def positions(self) -> dict[str, Any]:
        """By node ``cursor`` and ``marks``."""
        left = next(iter(self.held.values()))
        return {node: value for node, value in left.items() if node != PENDING}


def catch_up(work: Work) -> None:
    """Take a token above all that the destinations have seen, and the positions of runs that the ledger missed.

    Raises:
        BehindError: there were such runs; what this run has read is dropped, for they may have delivered it.
        FatalError: ``ledger.behind_partly``: one was delivered to some destinations only, by an append.
    """
    begun = committed(work.place, work.run_id)
    missed: dict[str, _Missed] = {}
    highest = 0
    for spec in work.flow.deliveries:
        if destination_can(spec).items:
            continue
        with opened_destination(spec, work.place.connections) as opened:
            if (proof := proof_of(spec, opened)) is None:
                continue
            seen = proof.last_token(work.flow.integration, spec.node)
            for one in _missed_at(work, spec, proof, seen):
                found = missed.setdefault(one.run_id, _Missed(one.run_id))
                found.token = max(found.token, one.token)
                found.held[spec.node] = msgspec.json.decode(one.positions)
            highest = max(highest, seen)
    runs = sorted(missed.values(), key=lambda one: (one.token, one.run_id))
    taken_over = bool(runs) and not begun and work.run.live and work.run_id not in missed
    if taken_over:
        runs = _whole(work, runs)
    if highest >= work.token:
        work.lease.raise_above(highest)
    if taken_over and runs:
        raise _behind(work, runs)


def _missed_at(work: Work, spec: DeliverySpec, proof: KeepsProof, seen: int) -> list[Position]:
    name, ledger = work.flow.integration, work.place.ledger
    if seen >= work.token:
        return proof.positions_since(name, spec.node, work.token)
    last = proof.last_run(name, spec.node)
    if not last or ledger.heard_of([last]):
        return []
    closed = (
        run.run_id
        for run in ledger.runs(name, limit=_LOOK_BACK)
        if run.live and run.run_id != work.run_id and run.state in {"done", "nothing_new", "in_doubt"}
    )
    since = next(closed, "")[:_STAMP]
    if last[:_STAMP] < since:  # its runs are told no longer, and the ledger went on after them
        return []
    found = [one for one in proof.positions_since(name, spec.node, 0) if one.run_id[:_STAMP] >= since]
    known = ledger.heard_of([one.run_id for one in found])
    return [one for one in found if one.run_id not in known]


def _whole(work: Work, runs: list[_Missed]) -> list[_Missed]:
    """The runs whose positions may be taken over. Only the last can be partly delivered: no other begins before."""
    last = runs[-1]
    lacking = [spec for spec in work.flow.deliveries if spec.node in last.lacking]
    if not lacking:
        return runs
    may_have = [spec for spec in work.flow.deliveries if spec.node in last.held or destination_can(spec).items]
    twice = [spec.node for spec in may_have if not _same_again(spec)]
    if twice:
        lack = _named(spec.node for spec in lacking)
        raise FatalError(
            "ledger.behind_partly",
            f"this ledger does not know run {last.run_id}, which {_named(last.held)} has taken and {lack} has no proof "
            f"of: to read its records again could bring them to {_named(twice)} a second time",
            next_step=f"either take the run out of {_named(twice)} by hand, its rows and those of _dragoman_delivery "
            f"(of files, the note in .dragoman), and run again; or see to {lack} by hand, and pass the run over: "
            f"dragoman cursor set, to {_ends(last)}",
        )
    return runs[:-1]


def _same_again(spec: DeliverySpec) -> bool:
    """Whether the same outputs, delivered by another run, leave the destination as it is."""
    if destination_can(spec).files:
        return spec.mode == "replace" and "{run}" not in str(spec.options.get("path"))
    return spec.mode != "append"


def _named(nodes: Iterable[str]) -> str:
    return ", ".join(repr(node) for node in sorted(nodes))


def _ends(run: _Missed) -> str:
    said = [f"{node}: {left['cursor'].get('value')!r}" for node, left in run.positions.items() if left.get("cursor")]
    return "; ".join(said) or "the end of its files " + ", ".join(
        path for left in run.positions.values() for path in left.get("marks") or ()
    )


def _behind(work: Work, runs: list[_Missed]) -> BehindError:
    ledger = work.place.ledger
    ledger.adopt_positions(
        work.flow.integration, work.token, [(run.run_id, run.positions) for run in runs], work.place.actor
    )
    work.run = ledger.repin_run(work.run_id, work.token, work.flow.digest, keep=())
    return BehindError(
        "ledger.behind",
        f"the destination of {next(iter(runs[0].held))!r} holds {len(runs)} run(s) that this ledger does not know, "
        f"the last {runs[-1].run_id}; cursors and marks now stand where it ended",
        next_step="nothing: the run reads again from there",
    )
