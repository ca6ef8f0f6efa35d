"""Runs: opened, taken over by a later try, failed or held, and closed once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dragoman.core import clock
from dragoman.ledger import tables
from dragoman.ledger.notices import noted_late
from dragoman.ledger.part import Part, check_fence, fenced_run, packed, unknown_run
from dragoman.ledger.positions import commit_positions
from dragoman.ledger.rows import BACKFILL, LIVE, REPLAY, UNFINISHED, Run

__all__ = ["Runs", "change_run", "new_run", "run_of", "runs_in", "settle_claims"]

_NEWEST_FIRST = (tables.run.c.opened_at.desc(), tables.run.c.run_id.desc())


class Runs(Part):
    """Runs and their states."""

    def open_run(
        self,
        integration: str,
        token: int,
        digest: str,
        *,
        run_id: str = "",
        trigger: str = "",
        interval: tuple[str, str] | None = None,
    ) -> Run:
        """Open a new run; with an ``interval`` it is a backfill.

        ``trigger`` names the DAG run that asks for it; ``run_id`` is made where not given.
        """
        values = new_run(run_id or clock.new_run_id(), integration, token, digest) | {
            "trigger": trigger,
            "kind": BACKFILL if interval else LIVE,
            "interval": packed(interval),
            "late_at": noted_late(integration, trigger) if trigger else None,
        }
        with self._db.write() as connection:
            check_fence(connection, integration, token)
            connection.execute(tables.run.insert().values(values))
            return run_of(connection, values["run_id"])

    def adopt_run(self, run_id: str, token: int) -> Run:
        """Go on with an unfinished run: one more try, state open again."""
        values: dict[str, Any] = {"tries": tables.run.c.tries + 1, "token": token, "state": "open"}
        values |= {"error_code": "", "error": ""}
        with self._db.write() as connection:
            fenced_run(connection, run_id, token)
            change_run(connection, run_id, values)
            return run_of(connection, run_id)

    def run(self, run_id: str) -> Run:
        """The run; ``FatalError`` ``run.unknown``."""
        with self._db.read() as connection:
            return run_of(connection, run_id)

    def unfinished_run(self, integration: str, interval: tuple[str, str] | None = None) -> Run | None:
        """The newest live run that is open, failed or held and not closed; or the backfill of this very interval."""
        runs = self.unfinished_runs(integration)
        return next((run for run in runs if run.interval == interval and not run.replay), None)

    def unfinished_runs(self, integration: str) -> list[Run]:
        """All of them, live, backfills and replays, newest first."""
        query = (
            sa.select(tables.run)
            .where(tables.run.c.integration == integration)
            .where(tables.run.c.state.in_(UNFINISHED), tables.run.c.closed_at.is_(None))
            .order_by(*_NEWEST_FIRST)
        )
        with self._db.read() as connection:
            return [_of(row) for row in connection.execute(query)]

    def backfills(self, integration: str) -> list[Run]:
        """The closed backfills that were not given up, newest first."""
        query = (
            sa.select(tables.run)
            .where(tables.run.c.integration == integration, tables.run.c.kind == BACKFILL)
            .where(tables.run.c.closed_at.is_not(None), tables.run.c.state.not_in(UNFINISHED))
            .order_by(*_NEWEST_FIRST)
        )
        with self._db.read() as connection:
            return [_of(row) for row in connection.execute(query)]

    def delivered_since(self, integration: str, moment: datetime, but: str) -> bool:
        """Whether another run than ``but`` was closed after a moment and may have delivered something."""
        query = sa.select(sa.literal(1)).where(
            tables.run.c.integration == integration,
            tables.run.c.run_id != but,
            tables.run.c.closed_at >= moment,
            tables.run.c.state.not_in((*UNFINISHED, "nothing_new")),
        )
        with self._db.read() as connection:
            return connection.execute(query.limit(1)).scalar() is not None

    def runs(self, integration: str | None = None, limit: int = 20) -> list[Run]:
        """The newest runs, of one integration or of all."""
        query = sa.select(tables.run).order_by(*_NEWEST_FIRST).limit(limit)
        if integration is not None:
            query = query.where(tables.run.c.integration == integration)
        with self._db.read() as connection:
            return [_of(row) for row in connection.execute(query)]

    def fail_run(self, run_id: str, token: int, code: str, message: str) -> None:
        """The try ended with an error; the run stays unfinished."""
        self._set(run_id, token, {"state": "failed", "error_code": code, "error": message})

    def close_run(
        self,
        run_id: str,
        token: int,
        state: str,
        figures: Mapping[str, Any],
        *,
        error_code: str = "",
        error: str = "",
        move_cursors: bool,
    ) -> Run:
        """The verdict, and with ``move_cursors`` the cursors and marks of all its nodes, in one transaction.

        What a replay has claimed is replayed with it, or given back where it is given up.
        """
        values = {"state": state, "figures": packed(figures), "error_code": error_code, "error": error}
        with self._db.write() as connection:
            integration = fenced_run(connection, run_id, token)
            if move_cursors:
                commit_positions(connection, integration, run_id)
            change_run(connection, run_id, values | {"closed_at": clock.now()})
            settle_claims(connection, run_id, replayed=state != "failed")
            return run_of(connection, run_id)

    def mark_late(self, run_id: str) -> None:
        """The run has passed its deadline; the first mark stays. No lease is needed: this changes nothing else."""
        table = tables.run
        with self._db.write() as connection:
            connection.execute(
                table.update().where(table.c.run_id == run_id, table.c.late_at.is_(None)).values(late_at=clock.now())
            )

    def _set(self, run_id: str, token: int, values: dict[str, Any]) -> None:
        with self._db.write() as connection:
            fenced_run(connection, run_id, token)
            change_run(connection, run_id, values)


def new_run(run_id: str, integration: str, token: int, digest: str) -> dict[str, Any]:
    """The columns of a run that is opened now; those of its kind are the caller's."""
    return {
        "run_id": run_id,
        "integration": integration,
        "state": "open",
        "tries": 1,
        "token": token,
        "digest": digest,
        "trigger": "",
        "interval": packed(None),
        "asked": "{}",
        "accepted": False,
        "bounds": "{}",
        "figures": "{}",
        "error_code": "",
        "error": "",
        "opened_at": clock.now(),
        "late_at": None,
    }


def settle_claims(connection: Connection, run_id: str, *, replayed: bool) -> None:
    """What a run has claimed is replayed, or is again what it was."""
    table = tables.reject
    values: dict[str, Any] = {"state": "replayed"}
    if not replayed:
        values = {"state": table.c.claimed_as, "claimed_as": "", "replay_run": ""}
    mine = (table.c.replay_run == run_id, table.c.state == "replaying")
    connection.execute(table.update().where(*mine).values(values))


def change_run(connection: Connection, run_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of a run within a transaction."""
    connection.execute(tables.run.update().where(tables.run.c.run_id == run_id).values(values))


def run_of(connection: Connection, run_id: str) -> Run:
    """The run, within a transaction; ``FatalError`` ``run.unknown``."""
    row = connection.execute(sa.select(tables.run).where(tables.run.c.run_id == run_id)).one_or_none()
    if row is None:
        raise unknown_run(run_id)
    return _of(row)


def runs_in(connection: Connection, wanted: sa.ColumnElement[bool]) -> list[Run]:
    """The runs for which the condition holds, oldest first, within a transaction."""
    return [_of(row) for row in connection.execute(sa.select(tables.run).where(wanted).order_by(tables.run.c.run_id))]


def _of(row: sa.Row[Any]) -> Run:
    values = dict(row._mapping)
    interval = json.loads(values["interval"])
    values |= {name: json.loads(values[name]) for name in ("bounds", "figures", "asked")}
    values["accepted"] = values["accepted"] or values["kind"] == REPLAY  # a limit is for what is read
    return Run(**values | {"interval": tuple(interval) if interval else None})
