"""What every part of the ledger shares: its database, and the fencing that each write of a run passes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dragoman.core.errors import FatalError
from dragoman.ledger import tables
from dragoman.ledger.database import Database
from dragoman.ledger.rows import RejectRow

__all__ = ["Part", "check_fence", "fenced_run", "packed", "replace_rejects", "unknown_run"]

_FENCE = (
    sa.select(tables.run.c.integration, tables.run.c.closed_at, tables.lease.c.token)
    .join_from(tables.run, tables.lease, tables.lease.c.integration == tables.run.c.integration)
    .where(tables.run.c.run_id == sa.bindparam("of_run"))
    .with_for_update(of=tables.lease)
)
"""Made once: deliveries to APIs ask before every request."""


class Part:
    """A group of the ledger's methods."""

    def __init__(self, database: Database) -> None:
        self._db = database


def packed(value: Any) -> str:
    """A value as the ledger keeps it: JSON, as short as it gets."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def check_fence(connection: Connection, integration: str, token: int) -> None:
    """``FatalError`` ``lease.lost`` unless ``token`` is the newest; holds that true until the transaction ends."""
    query = sa.select(tables.lease.c.token).where(tables.lease.c.integration == integration).with_for_update()
    newest = connection.execute(query).scalar()
    if newest != token:
        raise FatalError(
            "lease.lost",
            f"another process has taken over integration {integration!r}: this one held the lease {token}, "
            f"the newest is {newest or 0}",
            next_step="nothing to do: the other process goes on with the run",
        )


def fenced_run(connection: Connection, run_id: str, token: int) -> str:
    """The integration of a run, after ``check_fence``."""
    found = connection.execute(_FENCE, {"of_run": run_id}).one_or_none()
    if found is None:
        raise unknown_run(run_id)
    if found.token != token:
        check_fence(connection, found.integration, token)
    if found.closed_at is not None:
        raise FatalError(
            "run.closed",
            f"the run {run_id} is closed and cannot be changed",
            next_step="start a new run: dragoman run " + str(found.integration),
        )
    return str(found.integration)


def replace_rejects(connection: Connection, owner: Mapping[str, str], rejects: Sequence[RejectRow]) -> None:
    """Put a node's rejects in the place of those that an earlier try left.

    ``owner`` says whose they are: ``run_id``, ``node`` and ``integration``.
    """
    table = tables.reject
    connection.execute(table.delete().where(table.c.run_id == owner["run_id"], table.c.node == owner["node"]))
    if rejects:
        connection.execute(table.insert(), [{**vars(row), **owner} for row in rejects])


def unknown_run(run_id: str) -> FatalError:
    """The error for a run that the ledger does not hold."""
    return FatalError("run.unknown", f"the ledger holds no run {run_id!r}", next_step="dragoman runs")
