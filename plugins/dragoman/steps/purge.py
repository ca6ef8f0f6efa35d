"""The housekeeping: removes what has been kept long enough, and sees to what dead processes have left behind.

Nothing of an unfinished run is touched, whatever its age: its stage is what it goes on from; nor the rejects that an
unfinished replay has claimed. The newest run of an
integration stays in the history.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dragoman.core import clock
from dragoman.core.errors import ConfigError, DragomanError, RetriableError
from dragoman.core.flow import Flow
from dragoman.language import all_flows
from dragoman.ledger.rows import Run
from dragoman.steps.components import destination_can, opened_destination
from dragoman.steps.keeping import Keeping, KeepingRules
from dragoman.steps.proof.keep_receipts import keep_receipts
from dragoman.steps.proofs import proof_of
from dragoman.steps.workplace import Workplace

__all__ = ["LONG_QUIET", "NEWEST_PROOFS", "Purge", "Purged", "purge"]

_LOG = logging.getLogger(__name__)

LEASE_OVER = 3600.0
"""Seconds after its expiry at which a lease of another machine is taken for lost."""
QUIET = timedelta(hours=1)
"""An open run that nobody works on is told after this time."""
LONG_QUIET = timedelta(hours=24)
"""And marked as failed after this one. It stays unfinished: the next run goes on with it."""
NEWEST_PROOFS = 10
"""So many newest runs keep their proof at the destination, whatever their age."""

_STAMP = "%Y%m%dT%H%M%S"


@dataclass
class Purged:
    """What was removed, or with ``dry_run`` would be; ``problems`` are what could not be looked at."""

    dry_run: bool = False
    stage_runs: int = 0
    stage_bytes: int = 0
    """By the ledger's account of the batches."""
    reject_runs: int = 0
    rejects: int = 0
    history_runs: int = 0
    proofs: int = 0
    receipt_links: int = 0
    """Links removed from the chains of receipts, with the runs that they belong to."""
    receipt_files: int = 0
    """Files of receipts that were merged into larger ones, or that nobody named."""
    orphans: list[str] = field(default_factory=list)
    leases: list[str] = field(default_factory=list)
    left_open: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, an XCom and the audit."""
        return asdict(self)


def purge(place: Workplace, folder: Path, *, dry_run: bool = False) -> Purged:
    """One round of housekeeping.

    Args:
        place: the ledger and the stage to look at, and the connections of destinations.
        folder: the YAML files of the integrations, which say how long things are kept.
        dry_run: only count.

    Raises:
        ConfigError: ``purge.no_integrations``: the folder is not there.
    """
    if not folder.is_dir():
        raise ConfigError(
            "purge.no_integrations",
            f"the folder of integrations {folder} does not exist, so how long things are to be kept is unknown",
            next_step="set DRAGOMAN_INTEGRATIONS to the folder of the YAML files",
        )
    flows, broken = all_flows(folder)
    return Purge(place, flows, any_broken=bool(broken), dry_run=dry_run).run()


class Purge:
    """A round in progress. What fails for one integration is noted, and the others go on.

    ``any_broken``: whether there are files that cannot be read; see ``KeepingRules``.
    """

    def __init__(self, place: Workplace, flows: Sequence[Flow], *, any_broken: bool, dry_run: bool) -> None:
        self._place = place
        self._flows = {flow.integration: flow for flow in flows}
        self._rules = KeepingRules(flows, any_broken=any_broken)
        self._really = not dry_run
        self._now = clock.now()
        self._known = set(place.ledger.known_integrations())
        self.done = Purged(dry_run=dry_run)

    def run(self) -> Purged:
        """All of it, in the order in which one thing depends on another."""
        self._leases()
        self._left_open()
        staged = self._place.stage.integrations()
        for integration in sorted({*staged, *self._known}):
            keeping = self._rules.of(integration, self._place)
            if keeping is None:
                self.done.left_alone.append(integration)
                continue
            with self._noted(integration):
                passed = self._stage(integration, keeping) if integration in staged else False
                self._rejects(integration, keeping)
                self._history(integration, keeping)
                self._receipts(integration)
                if passed:
                    self._proofs(integration, keeping)
        if self._really:
            oldest = self._now - self._rules.longest
            self._place.ledger.forget_audits(oldest)
            self._place.ledger.drop_notices(oldest)
            self._place.ledger.audit(self._place.actor, "purge", "", str(_figures(self.done)))
        return self.done

    @contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        try:
            yield
        except DragomanError as error:
            _LOG.warning("%s: %s", what, error)
            self.done.problems.append(f"{what}: {error.message} [{error.code}]")

    def _leases(self) -> None:
        ledger = self._place.ledger
        self.done.leases = ledger.free_lost_leases(LEASE_OVER) if self._really else ledger.lost_leases(LEASE_OVER)

    def _left_open(self) -> None:
        """A run is never closed here: what it may have delivered is known only to the run that goes on with it."""
        long_ago = {run.run_id for run in self._place.ledger.left_open(self._now - LONG_QUIET)}
        for run in self._place.ledger.left_open(self._now - QUIET):
            self.done.left_open.append(f"{run.integration} {run.run_id}")
            if run.run_id not in long_ago:
                continue
            self.done.failed.append(f"{run.integration} {run.run_id}")
            if self._really:
                with self._noted(run.integration):
                    _mark_failed(self._place, run)

    def _stage(self, integration: str, keeping: Keeping) -> bool:
        """Returns whether any run has passed its time."""
        found = self._place.stage.runs(integration)
        runs = self._place.ledger.runs_named(found)
        claimed = self._place.ledger.runs_with_claims(integration)
        passed: list[str] = []
        with_batches: list[str] = []
        for run_id in found:
            run = runs.get(run_id)
            if run is None:
                self._orphan(integration, run_id, keeping)
            elif run.closed_at is not None and run.closed_at < self._now - keeping.stage:
                without_rejects = run.closed_at < self._now - keeping.rejects and run_id not in claimed
                batches, gone = self._drop(integration, run_id, without_rejects=without_rejects)
                with_batches += [run_id] if batches else []
                passed += [run_id] if gone else []
        self.done.stage_runs += len(passed)
        self.done.stage_bytes += self._place.ledger.staged_size(with_batches)
        return bool(passed)

    def _drop(self, integration: str, run_id: str, *, without_rejects: bool) -> tuple[bool, bool]:
        """Remove a run's batches, and all of it where no reject is to be kept.

        Returns whether there were batches, and whether anything was there to remove.
        """
        stage = self._place.stage.run(integration, run_id)
        batches, rejects = stage.staged()
        whole = without_rejects or not rejects
        if self._really:
            if whole:
                stage.drop()
            else:
                stage.drop_files(batches)
        return bool(batches), bool(batches) or whole

    def _orphan(self, integration: str, run_id: str, keeping: Keeping) -> None:
        """A folder without a run: what was staged just before a kill. One of another ledger is left alone."""
        made = _made_at(run_id)
        if made is None or integration not in self._known:
            self.done.problems.append(f"{integration}: this ledger does not know the stage folder {run_id}")
        elif made < self._now - keeping.stage:
            self.done.orphans.append(f"{integration} {run_id}")
            if self._really:
                self._place.stage.run(integration, run_id).drop()

    def _rejects(self, integration: str, keeping: Keeping) -> None:
        runs = self._place.ledger.rejected_before(integration, self._now - keeping.rejects)
        self.done.reject_runs += len(runs)
        if self._really:
            self.done.rejects += self._place.ledger.forget_rejects(runs)

    def _history(self, integration: str, keeping: Keeping) -> None:
        old = self._place.ledger.closed_before(integration, self._now - keeping.history)
        self.done.history_runs += self._place.ledger.forget_runs(old) if self._really else len(old)

    def _receipts(self, integration: str) -> None:
        kept = keep_receipts(self._place, integration, really=self._really)
        self.done.receipt_links += kept.links
        self.done.receipt_files += kept.merged + kept.strays

    def _proofs(self, integration: str, keeping: Keeping) -> None:
        """A proof serves a run that may go on, also by an older copy of the ledger; without a stage none can."""
        flow = self._flows.get(integration)
        if flow is None or not self._really:
            return
        since = self._now - keeping.stage
        needed = self._place.ledger.oldest_needed(integration, since, NEWEST_PROOFS)
        before = min(filter(None, (f"{since:{_STAMP}}", needed)))
        for delivery in flow.deliveries:
            if destination_can(delivery).items:
                continue
            with (
                self._noted(f"{integration} {delivery.node}"),
                opened_destination(delivery, self._place.connections) as opened,
            ):
                if (proof := proof_of(delivery, opened)) is not None:
                    self.done.proofs += proof.forget(integration, delivery.node, before)


def _mark_failed(place: Workplace, run: Run) -> None:
    try:
        lease = place.ledger.take_lease(run.integration)
    except RetriableError as error:
        if error.code == "lease.held":  # somebody goes on with it right now
            return
        raise
    with lease:
        now = place.ledger.run(run.run_id)
        if now.state == "open" and not now.finished:
            text = "its process ended without a word; the next run goes on with it"
            place.ledger.fail_run(run.run_id, lease.token, "run.left_open", text)


def _made_at(run_id: str) -> datetime | None:
    """When an id was made (``clock.new_run_id``); None for what is no such id."""
    try:
        return datetime.strptime(run_id.partition("-")[0], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def _figures(done: Purged) -> dict[str, int]:
    """What was done in numbers."""
    return {
        name: value if isinstance(value, int) else len(value)
        for name, value in asdict(done).items()
        if value and name != "dry_run"
    }
