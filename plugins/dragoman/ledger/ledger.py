"""The ledger: what happened, what is known, where to go on.

Every write of a run is one transaction that first checks the run's fencing token, so a process that was taken over
can change nothing any more.
"""

from __future__ import annotations

from dragoman.ledger.breakers import Breakers
from dragoman.ledger.database import Database
from dragoman.ledger.decisions import Decisions
from dragoman.ledger.history import History
from dragoman.ledger.intents import Intents
from dragoman.ledger.lease import Lease, Leases
from dragoman.ledger.nodes import Nodes
from dragoman.ledger.notices import Notices
from dragoman.ledger.positions import Positions
from dragoman.ledger.receipts import Receipts
from dragoman.ledger.reject_index import RejectIndex
from dragoman.ledger.replays import Replays
from dragoman.ledger.retention import Retention
from dragoman.ledger.rows import (
    AuditRow,
    BatchRow,
    CircuitRow,
    GoodCopy,
    IntentRow,
    NodeRow,
    NoticeRow,
    RejectRow,
    Run,
)
from dragoman.ledger.runs import Runs
from dragoman.ledger.schema import prepare_schema

__all__ = [
    "AuditRow",
    "BatchRow",
    "CircuitRow",
    "GoodCopy",
    "IntentRow",
    "Lease",
    "Ledger",
    "NodeRow",
    "NoticeRow",
    "RejectRow",
    "Run",
    "open_ledger",
]


class Ledger(
    Leases,
    Runs,
    Decisions,
    Nodes,
    Intents,
    Positions,
    History,
    Notices,
    Breakers,
    Receipts,
    RejectIndex,
    Replays,
    Retention,
):
    """An open ledger; its methods may be called from several threads."""

    def close(self) -> None:
        """Give its connections back."""
        self._db.close()


def open_ledger(url: str) -> Ledger:
    """Open ``sqlite:///path`` or ``postgresql://…``; a new one is made, an older one migrated.

    ``FatalError`` ``ledger.newer`` for one that a later version wrote.
    """
    database = Database(url)
    prepare_schema(database)
    return Ledger(database)
