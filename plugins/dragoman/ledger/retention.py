"""What the housekeeping asks of the ledger: what is old, what may go, who is no longer there.

Nothing of an unfinished run is ever removed here, nor the newest run of an integration.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dragoman.ledger import tables
from dragoman.ledger.holder import Holder, is_dead, this_process
from dragoman.ledger.part import Part
from dragoman.ledger.rows import Run
from dragoman.ledger.runs import runs_in

__all__ = ["Retention"]

_AT_ONCE = 400
_OF_A_RUN = (tables.node, tables.batch, tables.reject, tables.intent, tables.audit)


class Retention(Part):
    """Looking for what is old, and forgetting it."""

    def known_integrations(self) -> list[str]:
        """Every integration that was ever worked on with this ledger: a lease is never removed."""
        with self._db.read() as connection:
            return sorted(connection.execute(sa.select(tables.lease.c.integration)).scalars())

    def runs_named(self, run_ids: Sequence[str]) -> dict[str, Run]:
        """Those of the runs that the ledger holds, by their ids."""
        with self._db.read() as connection:
            found = [runs_in(connection, tables.run.c.run_id.in_(some)) for some in _portions(run_ids)]
        return {run.run_id: run for some in found for run in some}

    def staged_size(self, run_ids: Sequence[str]) -> int:
        """The bytes of the runs' sealed batches."""
        total = sa.func.coalesce(sa.func.sum(tables.batch.c.size), 0)
        with self._db.read() as connection:
            return sum(
                int(connection.execute(sa.select(total).where(tables.batch.c.run_id.in_(some))).scalar_one())
                for some in _portions(run_ids)
            )

    def oldest_needed(self, integration: str, since: datetime, newest: int) -> str:
        """The smallest id among the runs that are unfinished, closed since, or one of the newest; empty without one."""
        table = tables.run
        mine = table.c.integration == integration
        kept = sa.select(sa.func.min(table.c.run_id)).where(
            mine, sa.or_(table.c.closed_at.is_(None), table.c.closed_at >= since)
        )
        last = sa.select(table.c.run_id).where(mine).order_by(table.c.run_id.desc()).limit(newest)
        with self._db.read() as connection:
            ids = [connection.execute(kept).scalar(), *connection.execute(last).scalars()]
        return min((run_id for run_id in ids if run_id), default="")

    def forget_rejects(self, run_ids: Sequence[str]) -> int:
        """Remove the index of the runs' rejects; the figures stay. Returns how many there were."""
        gone = 0
        for some in _portions(run_ids):
            with self._db.write() as connection:
                closed = sa.select(tables.run.c.run_id).where(
                    tables.run.c.run_id.in_(some), tables.run.c.closed_at.is_not(None)
                )
                statement = tables.reject.delete().where(tables.reject.c.run_id.in_(closed))
                gone += int(connection.execute(statement).rowcount)
        return gone

    def rejected_before(self, integration: str, moment: datetime) -> list[str]:
        """Runs closed before that have rejects in the index, of which no replay that has not ended needs any."""
        query = (
            sa.select(tables.reject.c.run_id)
            .join(tables.run, tables.run.c.run_id == tables.reject.c.run_id)
            .where(tables.run.c.integration == integration, tables.run.c.closed_at < moment)
            .where(tables.reject.c.run_id.not_in(_claimed()))
            .distinct()
        )
        with self._db.read() as connection:
            return sorted(connection.execute(query).scalars())

    def closed_before(self, integration: str, moment: datetime) -> list[str]:
        """Runs closed before, without the integration's newest."""
        table = tables.run
        mine = table.c.integration == integration
        query = sa.select(table.c.run_id).where(mine, table.c.closed_at < moment, table.c.run_id.not_in(_claimed()))
        newest = sa.select(sa.func.max(table.c.run_id)).where(mine)
        with self._db.read() as connection:
            last = connection.execute(newest).scalar()
            return sorted(run_id for run_id in connection.execute(query).scalars() if run_id != last)

    def forget_runs(self, run_ids: Sequence[str]) -> int:
        """Remove closed runs with all that the ledger holds of them; cursors and marks stay."""
        gone = 0
        for some in _portions(run_ids):
            with self._db.write() as connection:
                gone += _forget(connection, some)
        return gone

    def forget_audits(self, before: datetime) -> int:
        """Remove old entries that belong to no run."""
        table = tables.audit
        with self._db.write() as connection:
            statement = table.delete().where(table.c.run_id == "", table.c.at < before)
            return int(connection.execute(statement).rowcount)

    def lost_leases(self, over: float) -> list[str]:
        """Integrations whose lease is held by a process that is gone.

        It is known to be dead where it ran on this machine; elsewhere its lease expired more than ``over`` seconds ago.
        """
        with self._db.read() as connection:
            return sorted(row.integration for row in self._lost(connection, over))

    def free_lost_leases(self, over: float) -> list[str]:
        """Free them; their tokens are used up, so a holder that was thought dead can change nothing any more."""
        with self._db.write() as connection:
            lost = sorted(row.integration for row in self._lost(connection, over))
            if lost:
                table = tables.lease
                values: dict[str, Any] = {"token": table.c.token + 1, "host": "", "expires_at": 0.0}
                for some in _portions(lost):
                    connection.execute(table.update().where(table.c.integration.in_(some)).values(values))
        return lost

    def left_open(self, quiet_since: datetime) -> list[Run]:
        """Open runs whose lease nobody holds and of which nothing was heard since ``quiet_since``."""
        run, node, lease = tables.run, tables.node, tables.lease
        busy = sa.select(node.c.run_id).where(node.c.run_id == run.c.run_id, node.c.changed_at >= quiet_since)
        held = sa.select(lease.c.integration).where(
            lease.c.integration == run.c.integration,
            sa.or_(lease.c.host != "", lease.c.taken_at >= quiet_since.timestamp()),
        )
        wanted = sa.and_(
            run.c.state == "open",
            run.c.closed_at.is_(None),
            run.c.opened_at < quiet_since,
            ~sa.exists(busy),
            ~sa.exists(held),
        )
        with self._db.read() as connection:
            return runs_in(connection, wanted)

    def _lost(self, connection: Connection, over: float) -> list[sa.Row[Any]]:
        query = sa.select(tables.lease, self._db.now().label("now")).where(tables.lease.c.host != "").with_for_update()
        return [row for row in connection.execute(query) if _is_lost(row, over)]


def _claimed() -> sa.Select[tuple[str]]:
    """Runs of which a replay that has not ended has claimed rejects."""
    return sa.select(tables.reject.c.run_id).where(tables.reject.c.state == "replaying")


def _is_lost(row: sa.Row[Any], over: float) -> bool:
    holder = Holder(host=row.host, machine=row.machine, pid=row.pid, started=row.started)
    if holder.machine == this_process().machine:
        return is_dead(holder)
    return bool(row.expires_at + over <= row.now)


def _forget(connection: Connection, run_ids: Collection[str]) -> int:
    run = tables.run
    closed = sa.select(run.c.run_id).where(run.c.run_id.in_(run_ids), run.c.closed_at.is_not(None))
    gone = list(connection.execute(closed).scalars())
    for table in _OF_A_RUN:
        connection.execute(table.delete().where(table.c.run_id.in_(gone)))
    return int(connection.execute(run.delete().where(run.c.run_id.in_(gone))).rowcount)


def _portions(things: Sequence[str]) -> Iterable[Sequence[str]]:
    return (things[at : at + _AT_ONCE] for at in range(0, len(things), _AT_ONCE))
