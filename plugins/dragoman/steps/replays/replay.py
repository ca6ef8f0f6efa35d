"""Replay: rejected records, and on demand those in doubt, sent again from their originals by today's mapping.

A replay is a run of its own, with the steps of every run. Its rejects are claimed when it opens, and are replayed when
it closes: what is rejected again is a new reject of the replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dragoman.core import clock
from dragoman.core.errors import ConfigError, DragomanError
from dragoman.core.failpoints import failpoint
from dragoman.core.flow import Flow
from dragoman.ledger.reject_index import Wanted
from dragoman.ledger.rows import RejectRow
from dragoman.steps.other_runs import committed, wait_for_others
from dragoman.steps.pinned import pinned_files
from dragoman.steps.replays.replay_input import Refusal, ReplayInput
from dragoman.steps.report import report_of
from dragoman.steps.run import run
from dragoman.steps.workplace import Workplace

__all__ = ["Chosen", "choose", "finish_replays", "is_green", "replay"]

_TOLD = 1_000
"""So many refusals are told one by one."""


@dataclass
class Chosen:
    """``claims``: numbers of rejects that can be sent again; ``refused``: the first of those that cannot."""

    claims: list[int] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    refusals: int = 0
    in_doubt: int = 0
    """Of the rejects in doubt, how many fit but were not asked for."""

    def refuse(self, refusal: Refusal) -> None:
        """Leave one out, and say why."""
        self.refusals += 1
        if len(self.refused) < _TOLD:
            self.refused.append(refusal)

    def facts(self) -> dict[str, Any]:
        """For a report."""
        refused = [
            {"id": one.number, "code": one.code, "message": one.message, "next": one.next_step} for one in self.refused
        ]
        return {
            "chosen": len(self.claims) + self.refusals,
            "refusals": self.refusals,
            "refused": refused,
            "in_doubt_left_out": self.in_doubt,
        }


def choose(flow: Flow, place: Workplace, wanted: Wanted) -> Chosen:
    """Which of the rejects can be sent again by ``flow``; ``wanted.states`` are those asked for.

    Raises:
        ConfigError: ``reject.unknown``: the integration has no reject of that number.
    """
    chosen = Chosen()
    if wanted.numbers:
        _judge_named(flow, place, wanted, chosen)
    elif "in_doubt" not in wanted.states:
        doubts = Wanted(**{**asdict(wanted), "states": ("in_doubt",)})
        chosen.in_doubt = len(place.ledger.replayable(flow.integration, doubts))
    numbers = place.ledger.replayable(flow.integration, wanted)
    for one in ReplayInput(place, flow, numbers).records():
        if isinstance(one, Refusal):
            chosen.refuse(one)
        else:
            chosen.claims += one.numbers
    return chosen


def _judge_named(flow: Flow, place: Workplace, wanted: Wanted, chosen: Chosen) -> None:
    """Rejects that were named one by one are answered one by one."""
    found = dict(place.ledger.rejects_numbered(wanted.numbers))
    for number in wanted.numbers:
        row = found.get(number)
        if row is None or row.integration != flow.integration:
            raise ConfigError(
                "reject.unknown",
                f"{flow.integration} has no reject {number}",
                next_step=f"dragoman rejects {flow.integration}",
            )
        if row.state not in wanted.states:
            chosen.refuse(_not_asked(number, row))
        elif not place.ledger.run(row.run_id).finished:
            chosen.refuse(
                Refusal(
                    number,
                    "replay.run_unfinished",
                    f"its run {row.run_id} has not ended, and may still deliver it",
                    f"dragoman run {flow.integration} finishes it; of a held run decide first",
                )
            )


def _not_asked(number: int, row: RejectRow) -> Refusal:
    if row.state == "in_doubt":
        return Refusal(
            number,
            "replay.in_doubt",
            "nobody can tell whether it has arrived, and sent again it may be there twice",
            f"ask the peer, then: dragoman settle {row.integration} --reject {number} --delivered | --not-delivered; "
            "or send it all the same with --in-doubt",
        )
    by = f" by run {row.replay_run}" if row.replay_run else ""
    return Refusal(number, "replay.not_open", f"it is {row.state}{by}", f"dragoman rejects {row.integration} --all")


def replay(flow: Flow, place: Workplace, wanted: Wanted, *, force: bool = False) -> dict[str, Any]:
    """Send the chosen rejects again; returns the run's report with what was refused.

    Without anything to send there is no run, and the report has no ``run_id``.

    Raises:
        DragomanError: as every run; ``replay.claimed`` where another replay was faster.
    """
    with place.ledger.take_lease(flow.integration, wait=place.patience) as lease:
        wait_for_others(flow, place, "")
        chosen = choose(flow, place, wanted)
        if not chosen.claims:
            return {"integration": flow.integration, "run_id": "", "state": "nothing_to_replay", **chosen.facts()}
        run_id = clock.new_run_id()
        place.stage.run(flow.integration, run_id).pin(pinned_files(flow))
        asked = {name: value for name, value in asdict(wanted).items() if value}
        place.ledger.open_replay(
            flow.integration,
            lease.token,
            flow.digest,
            run_id=run_id,
            claims=chosen.claims,
            asked=asked | {"records": len(chosen.claims), "force": force},
            who=place.actor,
        )
        failpoint("replay.claimed")
    return _finished(flow, place, run_id) | chosen.facts()


def finish_replays(flow: Flow, place: Workplace) -> list[dict[str, Any]]:
    """Finish the replays that did not end; returns their reports.

    One that cannot end and has delivered nothing stands in nobody's way.

    Raises:
        DragomanError: of one that has begun to deliver.
    """
    return [_finished(flow, place, one.run_id) for one in place.ledger.unfinished_replays(flow.integration)]


def _finished(flow: Flow, place: Workplace, run_id: str) -> dict[str, Any]:
    try:
        return dict(run(flow, place, run_id=run_id))
    except DragomanError as error:
        if error.code in {"lease.held", "run.other_first"} or committed(place, run_id):
            raise
        report = report_of(place, run_id)
        report["error"] = {"code": error.code, "message": error.message, "next": error.next_step}
        return report


def is_green(report: Mapping[str, Any]) -> bool:
    """Whether all that was chosen has been delivered, or is known to need no delivery."""
    return report["state"] in {"done", "nothing_new", "nothing_to_replay"} and not (
        report.get("refusals") or report.get("rejected") or report.get("in_doubt")
    )
