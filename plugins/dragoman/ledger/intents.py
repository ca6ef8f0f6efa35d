"""Intents of item deliveries: every request is written down before it is sent, and what became of it after.

What became of one request and the intent of the next are one transaction, so a request costs one commit. When a batch
is through, one row takes the place of all its requests, and points at a stage file with their outcomes.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dragoman.ledger import tables
from dragoman.ledger.part import Part, fenced_run
from dragoman.ledger.rows import IntentRow

__all__ = ["Intents"]

_TABLE = tables.intent
_OF_BATCH = sa.and_(
    _TABLE.c.run_id == sa.bindparam("of_run"),
    _TABLE.c.node == sa.bindparam("of_node"),
    _TABLE.c.batch == sa.bindparam("of_batch"),
)
_INSERT = _TABLE.insert()
_ANSWER = (
    _TABLE.update()
    .where(_OF_BATCH, _TABLE.c.request == sa.bindparam("of_request"))
    .values(state=sa.bindparam("new_state"), outcomes=sa.bindparam("new_outcomes"))
)
_FORGET = _TABLE.delete().where(_OF_BATCH)
_READ = sa.select(_TABLE).where(_OF_BATCH).order_by(_TABLE.c.request)


class Intents(Part):
    """Requests on their way; each write checks the fencing token in its own transaction."""

    def note_requests(
        self,
        token: int,
        *,
        answered: IntentRow | None = None,
        intent: IntentRow | None = None,
        lazy: bool = False,
    ) -> None:
        """Write down what became of one request, and that another one is about to be sent; either may be None.

        ``lazy``: a loss of power may forget it, for the request may be sent again without harm.
        """
        one = intent or answered
        if one is None:
            return
        with self._db.write(lazy=lazy) as connection:
            fenced_run(connection, one.run_id, token)
            if answered is not None:
                values = {"of_request": answered.request, "new_state": answered.state}
                connection.execute(_ANSWER, _batch_of(answered) | values | {"new_outcomes": answered.outcomes})
            if intent is not None:
                connection.execute(_INSERT, vars(intent))

    def settle_batch(self, token: int, settled: IntentRow) -> None:
        """One row that points at the outcomes, in the place of all requests of its batch."""
        with self._db.write() as connection:
            fenced_run(connection, settled.run_id, token)
            connection.execute(_FORGET, _batch_of(settled))
            connection.execute(_INSERT, vars(settled))

    def intents(self, run_id: str, node: str, batch: int) -> list[IntentRow]:
        """The requests of a batch in the order they were sent, or the one row of a settled batch."""
        with self._db.read() as connection:
            found = connection.execute(_READ, {"of_run": run_id, "of_node": node, "of_batch": batch})
            return [IntentRow(**row._mapping) for row in found]

    def nodes_with_intents(self, run_id: str) -> list[str]:
        """The deliveries of a run that have sent something, or were about to."""
        query = sa.select(_TABLE.c.node).where(_TABLE.c.run_id == run_id).distinct().order_by(_TABLE.c.node)
        with self._db.read() as connection:
            return list(connection.execute(query).scalars())


def _batch_of(row: IntentRow) -> dict[str, Any]:
    return {"of_run": row.run_id, "of_node": row.node, "of_batch": row.batch}
