"""What changes an open run besides its steps: a frozen bound, another copy of its integration, a person's decision."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from dragoman.ledger import tables
from dragoman.ledger.part import Part, fenced_run, packed, replace_rejects
from dragoman.ledger.rows import RejectRow, Run
from dragoman.ledger.runs import change_run, run_of

__all__ = ["Decisions"]


class Decisions(Part):
    """Bounds, copies and decisions."""

    def set_bound(self, run_id: str, token: int, node: str, bound: Any) -> None:
        """Freeze a node's upper bound for all tries of the run."""
        with self._db.write() as connection:
            fenced_run(connection, run_id, token)
            bounds = dict(run_of(connection, run_id).bounds) | {node: bound}
            change_run(connection, run_id, {"bounds": packed(bounds)})

    def repin_run(self, run_id: str, token: int, digest: str, *, keep: Collection[str]) -> Run:
        """The run goes on by another copy of its integration; what it staged stays only for the nodes in ``keep``."""
        with self._db.write() as connection:
            fenced_run(connection, run_id, token)
            for table in (tables.batch, tables.node, tables.reject, tables.intent):
                connection.execute(table.delete().where(table.c.run_id == run_id, table.c.node.not_in(keep)))
            bounds = {node: bound for node, bound in run_of(connection, run_id).bounds.items() if node in keep}
            change_run(connection, run_id, {"digest": digest, "accepted": False, "bounds": packed(bounds)})
            return run_of(connection, run_id)

    def hold_run(
        self,
        run_id: str,
        token: int,
        code: str,
        message: str,
        rejects: Mapping[str, Sequence[RejectRow]],
        *,
        figures: Mapping[str, int] | None = None,
    ) -> None:
        """Too many rejects: the run waits for a person, who may resume, accept or abandon it.

        ``rejects``: those so far, by node; ``figures``: how far it got.
        """
        with self._db.write() as connection:
            integration = fenced_run(connection, run_id, token)
            for node, rows in rejects.items():
                replace_rejects(connection, {"run_id": run_id, "node": node, "integration": integration}, rows)
            values = {"state": "held", "error_code": code, "error": message, "figures": packed(figures or {})}
            change_run(connection, run_id, values)

    def accept_run(self, run_id: str, token: int) -> Run:
        """The run goes on although it is over its reject limit."""
        with self._db.write() as connection:
            fenced_run(connection, run_id, token)
            values = {"state": "open", "accepted": True, "token": token, "error_code": "", "error": ""}
            change_run(connection, run_id, values)
            return run_of(connection, run_id)

    def run_of_trigger(self, integration: str, trigger: str) -> Run | None:
        """The newest run that a DAG run opened, or None."""
        query = (
            sa.select(tables.run.c.run_id)
            .where(tables.run.c.integration == integration, tables.run.c.trigger == trigger)
            .order_by(tables.run.c.opened_at.desc(), tables.run.c.run_id.desc())
            .limit(1)
        )
        with self._db.read() as connection:
            run_id = connection.execute(query).scalar()
            return None if run_id is None else run_of(connection, run_id)
