"""``_dragoman_delivery``: the proof of delivery, kept where the rows are.

One row per applied batch, and one head row (``batch_id`` empty) per integration and delivery with the highest token
and the last positions of the sources. The first batch of each run has that run's positions too, so that a ledger put
back from a backup learns what it missed. The rows of a run and these rows commit together, so either both are there
or neither is. The head row is locked for the whole of a run's transaction: two writers of one delivery follow each
other, and the one with the lower token is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dragoman.core.errors import FatalError
from dragoman.core.ports import DeliverRequest, Position

__all__ = ["NAME", "DeliveryTable", "Run"]

NAME = "_dragoman_delivery"
Run = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


class DeliveryTable:
    """The statements over the table. ``run`` executes one and gives its rows; ``mark`` is a parameter's place."""

    def __init__(self, run: Run, table: str, *, mark: str, lock: str = "", moment: str = "timestamptz") -> None:
        self._run = run
        self._table = table
        self._mark = mark
        self._lock = lock
        self._moment = moment

    def create(self) -> None:
        """Make the table where it is missing."""
        self._run(
            f"CREATE TABLE IF NOT EXISTS {self._table} (integration text NOT NULL, delivery text NOT NULL, "
            f'batch_id text NOT NULL, run_id text NOT NULL, token bigint NOT NULL, "rows" bigint NOT NULL, '
            f"cursors text NOT NULL, applied_at {self._moment} NOT NULL DEFAULT CURRENT_TIMESTAMP, "
            f"PRIMARY KEY (integration, delivery, batch_id))",
            (),
        )

    def enter(self, request: DeliverRequest) -> bool:
        """Lock the head row, check the token, and say whether this run has been applied already.

        Raises:
            FatalError: ``lease.fenced``: a later holder of the lease has been here.
        """
        m = self._mark
        self._run(
            f'INSERT INTO {self._table} (integration, delivery, batch_id, run_id, token, "rows", cursors) '
            f"VALUES ({m}, {m}, '', '', 0, 0, '{{}}') ON CONFLICT DO NOTHING",
            (request.integration, request.delivery),
        )
        head = self._run(
            f"SELECT token FROM {self._table} WHERE integration = {m} AND delivery = {m} AND batch_id = ''{self._lock}",
            (request.integration, request.delivery),
        )
        seen = int(head[0][0])
        if seen > request.token:
            raise FatalError(
                "lease.fenced",
                f"delivery {request.delivery!r} of {request.integration!r} was taken over: the destination has seen "
                f"token {seen}, this process holds {request.token}",
                next_step="nothing: whoever holds the later token goes on with the run",
            )
        found = self._run(
            f"SELECT 1 FROM {self._table} WHERE integration = {m} AND delivery = {m} AND run_id = {m} LIMIT 1",
            (request.integration, request.delivery, request.run_id),
        )
        return bool(found)

    def record(self, request: DeliverRequest, batches: Mapping[str, int], positions: str) -> None:
        """Note the applied batches (id: rows), the token and the sources' positions; the caller commits."""
        m = self._mark
        for number, (batch_id, rows) in enumerate(batches.items()):
            left = positions if number == 0 else "{}"
            self._run(
                f'INSERT INTO {self._table} (integration, delivery, batch_id, run_id, token, "rows", cursors) '
                f"VALUES ({m}, {m}, {m}, {m}, {m}, {m}, {m})",
                (request.integration, request.delivery, batch_id, request.run_id, request.token, rows, left),
            )
        self._run(
            f'UPDATE {self._table} SET run_id = {m}, token = {m}, "rows" = {m}, cursors = {m}, '
            f"applied_at = CURRENT_TIMESTAMP WHERE integration = {m} AND delivery = {m} AND batch_id = ''",
            (
                request.run_id,
                request.token,
                sum(batches.values()),
                positions,
                request.integration,
                request.delivery,
            ),
        )

    def applied_batches(self, integration: str, delivery: str, run_id: str) -> dict[str, int]:
        """The batches of a run, each with its number of rows."""
        m = self._mark
        rows = self._run(
            f'SELECT batch_id, "rows" FROM {self._table} WHERE integration = {m} AND delivery = {m} AND run_id = {m} '
            "AND batch_id <> ''",
            (integration, delivery, run_id),
        )
        return {str(batch_id): int(count) for batch_id, count in rows}

    def forget(self, integration: str, delivery: str, before_run: str) -> int:
        """Remove the batches of runs with a smaller id; the head row stays. The caller commits."""
        m = self._mark
        which = f"integration = {m} AND delivery = {m} AND batch_id <> '' AND run_id < {m}"
        values = (integration, delivery, before_run)
        found = int(self._run(f"SELECT count(*) FROM {self._table} WHERE {which}", values)[0][0])
        if found:
            self._run(f"DELETE FROM {self._table} WHERE {which}", values)
        return found

    def last_token(self, integration: str, delivery: str) -> int:
        """The highest token of this delivery, 0 where there is none yet."""
        m = self._mark
        rows = self._run(
            f"SELECT token FROM {self._table} WHERE integration = {m} AND delivery = {m} AND batch_id = ''",
            (integration, delivery),
        )
        return int(rows[0][0]) if rows else 0

    def last_run(self, integration: str, delivery: str) -> str:
        """The run that was applied last, empty where there is none yet."""
        m = self._mark
        rows = self._run(
            f"SELECT run_id FROM {self._table} WHERE integration = {m} AND delivery = {m} AND batch_id = ''",
            (integration, delivery),
        )
        return str(rows[0][0]) if rows else ""

    def positions_since(self, integration: str, delivery: str, token: int) -> list[Position]:
        """What runs with this token or a higher one left, oldest first."""
        m = self._mark
        rows = self._run(
            f"SELECT run_id, token, cursors FROM {self._table} WHERE integration = {m} AND delivery = {m} "
            f"AND token >= {m} AND cursors <> '{{}}' ORDER BY token, run_id",
            (integration, delivery, token),
        )
        return list(dict.fromkeys(Position(*row) for row in rows))
