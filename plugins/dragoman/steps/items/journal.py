"""The journal of one batch of items: each request before it is sent, its outcomes after it, and all when it is through.

It is also what the next try begins with: what is known of each row, and which requests were on their way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from dragoman.core import clock
from dragoman.core.errors import FatalError
from dragoman.core.failpoints import failpoint
from dragoman.core.items import UNKNOWN, Item, Outcome
from dragoman.ledger.ledger import IntentRow, Ledger
from dragoman.stage.store import RunStage
from dragoman.steps.items.outcomes import outcomes_of, outcomes_table, packed_outcomes, packed_rows, rows_of, unpacked

__all__ = ["BatchName", "ItemJournal", "other_outputs"]

SENDING, ANSWERED, SETTLED = "sending", "answered", "settled"


@dataclass(frozen=True)
class BatchName:
    """A batch of a delivery in the hands of one holder of the lease; ``number`` is below zero where rows are erased."""

    run_id: str
    node: str
    number: int
    token: int


class ItemJournal:
    """Writes down requests and outcomes; an outcome waits for the next request, or for ``save``.

    ``outcomes``: what the newest request of each row came to. ``tries``: how often a row was sent. ``first_sent``:
    when it was sent first.
    """

    def __init__(self, ledger: Ledger, stage: RunStage, name: BatchName) -> None:
        self._ledger = ledger
        self._stage = stage
        self._name = name
        self._requests = 0
        self._sent: IntentRow | None = None
        self._answered: IntentRow | None = None
        self._newest: dict[int, int] = {}
        self._rows: dict[int, list[int]] = {}
        self._digests: dict[int, str] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.tries: Counter[int] = Counter()
        self.first_sent: dict[int, datetime] = {}
        self.settled: dict[int, Outcome] | None = None
        for row in ledger.intents(name.run_id, name.node, name.number):
            self._recall(row)

    def open_requests(self) -> list[tuple[list[int], list[int]]]:
        """Requests that left rows of which nobody knows: all its rows as they were sent, and those rows."""
        found = []
        for request, rows in self._rows.items():
            lost = [row for row in rows if self._newest.get(row) == request and self.outcomes[row].state == UNKNOWN]
            if lost:
                found.append((rows, lost))
        return found

    def check(self, items: Callable[[Sequence[int]], Sequence[Item]]) -> None:
        """``FatalError`` ``deliver.other_outputs`` unless what earlier tries sent is what would be sent now.

        ``items`` makes the items of some rows. An idempotency key that is another one protects nothing.
        """
        for request, rows in self._rows.items():
            if _digest(items(rows)) != self._digests[request]:
                raise other_outputs(self._name)

    def intend(self, items: Sequence[Item], *, harmless: bool = False) -> None:
        """A request with these items is about to be sent; ``FatalError`` ``lease.lost`` where another holds the run.

        ``harmless``: to send it again does no harm, so the disk is not waited for; only a loss of power tells the
        difference.
        """
        rows, now = [item.row for item in items], clock.now()
        intent = IntentRow(
            run_id=self._name.run_id,
            node=self._name.node,
            batch=self._name.number,
            request=self._requests,
            rows=packed_rows(rows),
            state=SENDING,
            noted_at=now,
            sha256=_digest(items),
        )
        self._ledger.note_requests(self._name.token, answered=self._answered, intent=intent, lazy=harmless)
        if self._answered is not None:
            failpoint("deliver.outcomes.recorded")
        self._requests += 1
        self._sent, self._answered = intent, None
        self._note(rows, now)
        failpoint("deliver.intent.recorded")

    def answered(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        """What became of the items of the last request."""
        if self._sent is None:
            return
        self._answered = replace(self._sent, state=ANSWERED, outcomes=packed_outcomes(outcomes))
        self._sent = None
        self.outcomes.update(zip((item.row for item in items), outcomes, strict=True))

    def save(self) -> None:
        """Write down what waits."""
        if self._answered is not None:
            self._ledger.note_requests(self._name.token, answered=self._answered)
            self._answered = None
            failpoint("deliver.outcomes.recorded")

    def settle(self, outcomes: Mapping[int, Outcome]) -> None:
        """The batch is through: its outcomes go to a stage file, and its requests are forgotten."""
        self.save()
        name = f"{self._name.number:05d}" if self._name.number >= 0 else f"erased-{-self._name.number - 1:05d}"
        sealed = self._stage.write_outcomes(self._name.node, name, outcomes_table(outcomes, self.tries))
        settled = IntentRow(
            run_id=self._name.run_id,
            node=self._name.node,
            batch=self._name.number,
            request=0,
            rows="",
            state=SETTLED,
            noted_at=clock.now(),
            path=sealed.path,
            sha256=sealed.sha256,
        )
        self._ledger.settle_batch(self._name.token, settled)
        self.settled = dict(outcomes)
        failpoint("deliver.batch.settled")

    def _recall(self, row: IntentRow) -> None:
        if row.state == SETTLED:
            self.settled = outcomes_of(self._stage.load(row.path, row.sha256))
            return
        rows = rows_of(row.rows)
        known = unpacked(row.outcomes) if row.state == ANSWERED else [Outcome(UNKNOWN)] * len(rows)
        self._rows[row.request] = rows
        self._digests[row.request] = row.sha256
        self._newest.update(dict.fromkeys(rows, row.request))
        self.outcomes.update(zip(rows, known, strict=True))
        self._requests = row.request + 1
        self._note(rows, row.noted_at)

    def _note(self, rows: Sequence[int], at: datetime) -> None:
        self.tries.update(rows)
        for row in rows:
            self.first_sent.setdefault(row, at)


def other_outputs(name: BatchName) -> FatalError:
    """The error for a batch that gives other outputs than when it was sent."""
    return FatalError(
        "deliver.other_outputs",
        f"batch {name.number} of {name.node!r} gives other outputs now than when it was sent",
        next_step="report this: the same records and the same translation must give the same outputs",
    )


def _digest(items: Sequence[Item]) -> str:
    return sha256(" ".join(item.token for item in items).encode()).hexdigest()
