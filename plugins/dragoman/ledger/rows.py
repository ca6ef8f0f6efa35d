"""What the ledger gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dragoman.core import clock

__all__ = [
    "BACKFILL",
    "LIVE",
    "REPLAY",
    "UNFINISHED",
    "AuditRow",
    "BatchRow",
    "CircuitRow",
    "CursorRow",
    "GoodCopy",
    "IntentRow",
    "NodeRow",
    "NoticeRow",
    "ReceiptFile",
    "ReceiptLink",
    "RejectRow",
    "Run",
    "Sidecar",
]

UNFINISHED = ("open", "failed", "held")
"""States of a run that goes on later, as long as it is not closed."""
LIVE, BACKFILL, REPLAY = "live", "backfill", "replay"
"""Kinds of runs."""


@dataclass(frozen=True)
class Run:
    """One run. A run without ``closed_at`` is unfinished; one that was given up is ``failed`` and closed."""

    run_id: str
    integration: str
    state: str
    tries: int
    token: int
    digest: str
    trigger: str
    """The DAG run that opened it, or empty."""
    accepted: bool
    """Whether a person let it go on over its reject limit."""
    bounds: Mapping[str, Any]
    """Per node: the frozen upper bound, the same for every try."""
    figures: Mapping[str, Any]
    error_code: str
    error: str
    opened_at: datetime
    closed_at: datetime | None
    late_at: datetime | None = None
    """When it was seen to have passed ``policy.deadline``, or None."""
    kind: str = LIVE
    """``live``: from the cursors on. ``backfill``: one interval. ``replay``: rejects of earlier runs. Only a live run
    moves cursors and marks."""
    interval: tuple[str, str] | None = None
    """What a backfill reads: from, and up to but not including, in the source's own text."""
    asked: Mapping[str, Any] = field(default_factory=dict)
    """What a person asked for when a replay was opened: which rejects, and whether ``force``."""

    @property
    def finished(self) -> bool:
        """Whether nothing of it goes on later."""
        return self.closed_at is not None

    @property
    def seconds(self) -> float:
        """From its opening to its end, or until now."""
        return ((self.closed_at or clock.now()) - self.opened_at).total_seconds()

    @property
    def live(self) -> bool:
        """Whether it goes on from the cursors and moves them."""
        return self.kind == LIVE

    @property
    def replay(self) -> bool:
        """Whether it sends rejects of earlier runs again."""
        return self.kind == REPLAY


@dataclass(frozen=True)
class CursorRow:
    """Where the next live run of a source's node begins; ``run_id`` is the run that moved it there, or empty."""

    node: str
    value: Any
    run_id: str


@dataclass(frozen=True)
class BatchRow:
    """One sealed batch; ``path`` and ``sha256`` are what ``Stage.load`` takes."""

    run_id: str
    node: str
    seq: int
    path: str
    sha256: str
    rows: int
    size: int

    @property
    def batch_id(self) -> str:
        """``<run_id>/<node>/<seq>``."""
        return f"{self.run_id}/{self.node}/{self.seq:05d}"


@dataclass(frozen=True)
class NodeRow:
    """One node's account. ``state`` is sealed, prepared or done; ``cursor`` and ``marks`` move when the run closes."""

    run_id: str
    node: str
    kind: str
    state: str
    counts: Mapping[str, int]
    cursor: Any
    marks: Mapping[str, str]
    changed_at: datetime


@dataclass(frozen=True)
class RejectRow:
    """The index entry of a reject; its payload is row ``row`` of the stage file ``path``.

    What the caller need not say (``run_id``, ``node``, ``integration``) the ledger fills in.
    """

    code: str
    message: str
    stage: str
    path: str
    sha256: str
    row: int
    field: str = ""
    position: str = ""
    rid: int = -1
    run_id: str = ""
    node: str = ""
    integration: str = ""
    state: str = "open"
    """``open``; ``in_doubt`` (nobody can tell whether it arrived); ``replaying`` or ``replayed`` by ``replay_run``;
    ``abandoned`` with its run; ``dismissed`` by a person; ``delivered`` as a person found out at the peer."""
    claimed_as: str = ""
    """The state it had when a replay claimed it."""
    replay_run: str = ""
    corrected: str = ""
    """The stage file of the payload that a person corrected, or empty."""
    corrected_sha256: str = ""


@dataclass(frozen=True)
class IntentRow:
    """One request of an item delivery, or a whole batch that is through (``settled``).

    ``state``: ``sending`` (on its way: nobody knows yet), ``answered`` (``outcomes`` say what became of its rows), or
    ``settled`` (the stage file ``path`` does). ``batch`` is the batch's number, below zero where rows are erased.
    """

    run_id: str
    node: str
    batch: int
    request: int
    rows: str
    """Which rows of the batch, in the order they were sent: ``0-499,700``."""
    state: str
    noted_at: datetime
    outcomes: str = ""
    path: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class AuditRow:
    """Who did what, when, to which run."""

    at: datetime
    who: str
    what: str
    run_id: str
    detail: str


@dataclass(frozen=True)
class GoodCopy:
    """The last good copy of an integration file and what it names."""

    file: str
    digest: str
    files: Mapping[str, bytes] = field(repr=False)
    saved_at: datetime


@dataclass(frozen=True)
class CircuitRow:
    """The circuit breaker of one connection.

    ``state``: ``closed`` (runs use it), ``open`` (they fail fast until ``until``) or ``half_open`` (one run tries it,
    and has until ``until`` to say how that went). ``since`` is when it opened first, None while it is closed.
    """

    connection: str
    state: str
    failures: int
    """Failures in a row, over all integrations."""
    throttled: int
    """The same for refusals because of too many requests."""
    openings: int
    """How often it has opened since it was closed last."""
    code: str
    error: str
    probe: str
    until: float
    """Seconds since 1970 by the database's clock."""
    since: datetime | None
    changed_at: datetime


@dataclass(frozen=True)
class NoticeRow:
    """One message to one receiver. ``subject`` is the run, or the DAG run where the ledger knows no run."""

    integration: str
    subject: str
    kind: str
    """``red`` (failed, held or in_doubt), ``late``, ``rejects`` or ``recovered``: each is told once."""
    target: str
    """A short hash of the receiver."""
    event: str
    receiver: Mapping[str, Any]
    message: Mapping[str, Any]
    state: str = "untold"
    """``untold``, ``claimed`` (somebody is sending it) or ``told``; ``waiting``: not due yet."""
    tries: int = 0
    error: str = ""


@dataclass(frozen=True)
class Sidecar:
    """The receipts of one delivered batch, as they lie in the stage.

    ``rid_base``: the id of the batch's first record. ``keyed_by``: the columns of the key with their types, as JSON.
    ``origin`` and ``first``: where the batch's first record stood in the source, where its records follow each other.
    ``file_sha256`` is the hash of the file's bytes, ``sha256`` that of what the receipts say.
    """

    batch: int
    rid_base: int
    keyed_by: str
    origin: str
    first: int
    path: str
    file_sha256: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class ReceiptLink(Sidecar):
    """A sidecar with its place in the integration's chain."""

    integration: str
    number: int
    run_id: str
    node: str
    chain: str
    noted_at: datetime


@dataclass(frozen=True)
class ReceiptFile:
    """A file of receipts: a sidecar, or several merged. ``first`` and ``last``: numbers in the chain."""

    node: str
    path: str
    file_sha256: str
    first: int
    last: int
    sidecars: int
    rows: int
