"""A run in hand: the lease, the run, its pinned copy of the integration, its stage.

Each task or command takes the lease anew and goes on with the unfinished run, if there is one, under that run's own
copy of the integration; only a run that failed before anything was committed, and whose integration was corrected
since, is taken up by the corrected copy (it reads again where the source was what changed).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from dragoman.core import clock
from dragoman.core.errors import ConfigError, DragomanError, FatalError
from dragoman.core.failpoints import failpoint
from dragoman.core.flow import DeliverySpec, Flow, SourceSpec, StreamSpec, TranslationSpec
from dragoman.ledger.lease import Lease
from dragoman.ledger.rows import NodeRow, Run
from dragoman.stage.store import RunStage
from dragoman.steps.backfill import Backfill, check_backfill
from dragoman.steps.other_runs import committed, overtaken, wait_for_others
from dragoman.steps.pinned import find_pinned, pinned_files, pinned_flow
from dragoman.steps.rejects import RejectLog
from dragoman.steps.replays.replay_input import ReplayInput
from dragoman.steps.workplace import Workplace

__all__ = ["HeldError", "Work", "at_work"]


class HeldError(FatalError):
    """The run is over its reject limit; nothing more is delivered until a person decides."""


class Work:
    """One run in the hands of one holder of the lease."""

    def __init__(self, flow: Flow, place: Workplace, lease: Lease, run: Run) -> None:
        self.flow = flow
        self.place = place
        self.lease = lease
        self.run = run
        self.anew = False
        """Whether what earlier tasks staged was dropped, so that a later one has to read again."""
        self.read_limit: int | None = None
        """For a preview: how many records of each source are read at most."""
        self.stage: RunStage = place.stage.run(flow.integration, run.run_id)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    @property
    def token(self) -> int:
        """The fencing token of this holder."""
        return self.lease.token

    @cached_property
    def replay_input(self) -> ReplayInput:
        """The records that a replay sends."""
        return ReplayInput(self.place, self.flow, self.place.ledger.claimed(self.run_id))

    @property
    def closed(self) -> bool:
        """Whether the run was closed meanwhile: then there is nothing to do."""
        return self.run.finished

    def source(self, name: str) -> SourceSpec | None:
        """The source of that name; None where the copy that the run keeps has none."""
        return next((source for source in self.flow.sources if source.name == name), None)

    def translation(self, node: str) -> TranslationSpec | None:
        """The translation of that node, or None."""
        return next((spec for spec in self.flow.translations if spec.node == node), None)

    def delivery(self, node: str) -> DeliverySpec | None:
        """The delivery of that node, or None."""
        return next((spec for spec in self.flow.deliveries if spec.node == node), None)

    def stream(self, node: str) -> StreamSpec | None:
        """The stream of that node, or None where the node is a translation."""
        return next((stream for stream in self.flow.streams if stream.node == node), None)

    def node_index(self, node: str) -> int:
        """A node's number within the flow, as record ids use it."""
        names = [stream.node for stream in self.flow.streams]
        names += [translation.node for translation in self.flow.translations]
        return names.index(node)

    def node_row(self, node: str) -> NodeRow | None:
        """What the ledger knows of a node."""
        return self.place.ledger.node(self.run_id, node)

    def node_state(self, node: str) -> str:
        """``sealed``, ``prepared``, ``done``, or empty."""
        row = self.node_row(node)
        return row.state if row else ""

    def read_so_far(self) -> int:
        """Records read by the sources that count."""
        rows = (self.node_row(stream.node) for stream in self.flow.streams if not stream.lookup_only)
        return sum(row.counts.get("read", 0) for row in rows if row)

    def facts(self, *nodes: str) -> dict[str, Any]:
        """Plain facts for a log and for XCom."""
        counts = {node: row.counts for node in nodes if (row := self.node_row(node))}
        said: dict[str, Any] = {"integration": self.flow.integration, "run_id": self.run_id, "nodes": counts}
        if self.closed:
            said["note"] = (
                f"run {self.run_id} is closed ({self.run.state}); nothing is done again. "
                "To send rejected records again use dragoman replay; to read anew start a new run"
            )
        return said

    def unknown(self, node: str) -> dict[str, Any]:
        """The facts of a task that the copy the run keeps does not know: it does nothing."""
        note = (
            f"run {self.run_id} keeps another version of {self.flow.integration}, which has no {node!r}: nothing to do"
        )
        return {**self.facts(), "note": note}

    def held(self, rejects: int, read: int, logs: Iterable[RejectLog] = (), *, delivered: int = 0) -> HeldError:
        """Hold the run: over its limit. The rejects so far are kept; returns the error to raise."""
        by_node = {log.node: log.flush() for log in logs}
        why = _over(rejects, read)
        figures = {"read": read, "delivered": delivered, "rejected": rejects}
        self.place.ledger.hold_run(self.run_id, self.token, "run.held", why, by_node, figures=figures)
        return held_error(self.flow.integration, self.run_id, why, partly=committed(self.place, self.run_id))


def held_error(integration: str, run_id: str, why: str, *, partly: bool) -> HeldError:
    """What a new run says while one is held, with the three commands; ``partly``: some of it is delivered."""
    again = "after correcting the mapping"
    accept = f"dragoman accept {run_id} (deliver the good records)"
    if partly:
        again += ", where the destination upserts"
        accept = f"dragoman accept {run_id} (deliver the good records, then correct the mapping and dragoman replay)"
    return HeldError(
        "run.held",
        f"run {run_id} of {integration} is held: {why}",
        next_step=f"dragoman rejects {integration} --run {run_id}; then one of: dragoman resume {run_id} "
        f"({again}) | {accept} | dragoman abandon {run_id}" + (" (where it upserts)" if partly else ""),
    )


def _over(rejects: int, read: int) -> str:
    return f"{rejects} of {read} records were rejected, over its limit"


@contextmanager
def at_work(
    flow: Flow, place: Workplace, *, run_id: str = "", trigger: str = "", backfill: Backfill | None = None
) -> Iterator[Work]:
    """Take the lease, open or take up the run, and give the lease back at the end.

    ``run_id`` names the run that an earlier task of the same DAG run opened; ``trigger`` is that DAG run's id, by
    which a task that was cleared finds its run again; with ``backfill`` it is the one of that interval. What goes wrong
    inside is written to the run, then raised.
    """
    with place.ledger.take_lease(flow.integration, wait=place.patience) as lease:
        run = _find(flow, place, run_id=run_id, trigger=trigger, backfill=backfill)
        work = _take_up(flow, place, lease, run) if run else _open(flow, place, lease, trigger, backfill)
        try:
            yield work
        except HeldError:
            raise
        except DragomanError as error:
            _note_failure(work, error.code, str(error), for_good=isinstance(error, ConfigError))
            if isinstance(error, ConfigError):
                error.next_step = _corrected(work, error.next_step)
            raise
        except Exception as error:
            _note_failure(work, "run.unexpected", f"{type(error).__name__}: {error}")
            raise


def _corrected(work: Work, step: str) -> str:
    """What to do about a mistake that only the records showed, and about the run that waits unfinished for it."""
    if work.closed or not work.run.live or committed(work.place, work.run_id):
        return step
    name, said = work.flow.integration, [step] if step else []
    said.append(f"the next dragoman run {name} takes up the corrected file and goes on with this run")
    return "; ".join([*said, f"or give it up: dragoman abandon {work.run_id}"])


def _note_failure(work: Work, code: str, text: str, *, for_good: bool = False) -> None:
    """The run stays unfinished, except for a backfill or a replay of something that was written wrong."""
    ledger = work.place.ledger
    if work.closed or code in {"lease.lost", "lease.fenced"}:
        return
    if for_good and not work.run.live and not committed(work.place, work.run_id):
        ledger.close_run(work.run_id, work.token, "failed", {}, error_code=code, error=text, move_cursors=False)
    else:
        ledger.fail_run(work.run_id, work.token, code, text)


def _find(flow: Flow, place: Workplace, *, run_id: str, trigger: str, backfill: Backfill | None) -> Run | None:
    ledger = place.ledger
    if run_id:
        return ledger.run(run_id)
    run = ledger.run_of_trigger(flow.integration, trigger) if trigger else None
    return run or ledger.unfinished_run(flow.integration, backfill.interval if backfill else None)


def _take_up(flow: Flow, place: Workplace, lease: Lease, run: Run) -> Work:
    if run.finished:
        return Work(find_pinned(place, run) or flow, place, lease, run)
    if run.state == "held":
        raise held_error(flow.integration, run.run_id, run.error, partly=committed(place, run.run_id))
    pinned = pinned_flow(place, run)
    if committed(place, run.run_id):
        return Work(pinned, place, lease, place.ledger.adopt_run(run.run_id, lease.token))
    wait_for_others(flow, place, run.run_id)
    adopted = place.ledger.adopt_run(run.run_id, lease.token)
    corrected = run.state == "failed" and pinned.digest != flow.digest
    anew = overtaken(place, run)
    if corrected or anew:
        return repin(flow if corrected else pinned, pinned, place, lease, adopted, anew=anew)
    return Work(pinned, place, lease, adopted)


def _open(flow: Flow, place: Workplace, lease: Lease, trigger: str, backfill: Backfill | None) -> Work:
    if backfill:
        check_backfill(flow, place, backfill)
    wait_for_others(flow, place, "")
    run_id = clock.new_run_id()
    place.stage.run(flow.integration, run_id).pin(pinned_files(flow))
    interval = backfill.interval if backfill else None
    run = place.ledger.open_run(
        flow.integration, lease.token, flow.digest, run_id=run_id, trigger=trigger, interval=interval
    )
    failpoint("run.opened")
    return Work(flow, place, lease, run)


def repin(flow: Flow, pinned: Flow, place: Workplace, lease: Lease, run: Run, *, anew: bool = False) -> Work:
    """Take a run up by today's copy of its integration; what the edit touched of the stage is dropped.

    ``anew``: all is dropped, for another run has delivered since this one was read.
    """
    stage = place.stage.run(flow.integration, run.run_id)
    stage.pin(pinned_files(flow))
    keep = () if anew or flow.sources != pinned.sources else tuple(stream.node for stream in flow.streams)
    repinned = place.ledger.repin_run(run.run_id, lease.token, flow.digest, keep=keep)
    why = "read anew: another run has delivered since" if anew else f"{pinned.digest} -> {flow.digest}"
    place.ledger.audit(place.actor, "repin", run.run_id, why)
    work = Work(flow, place, lease, repinned)
    work.anew = True
    return work
