"""One run's transaction in a database: rows, erased rows and the proof of both commit together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

import pyarrow as pa

from dragoman.connectors._sql.driver import Driver, Loader, S
from dragoman.connectors._sql.native import native
from dragoman.core.batch import Refused
from dragoman.core.errors import FatalError
from dragoman.core.ports import DeliverRequest

__all__ = ["SqlSession"]


class SqlSession(Generic[S]):
    """See the ports ``DeliverySession``, ``Erases`` and ``TellsMore``.

    What is written and what is erased is applied at once, so it takes effect in the order in which it comes.
    """

    def __init__(self, driver: Driver[S], server: S, request: DeliverRequest) -> None:
        self._driver = driver
        self._server = server
        self._request = request
        self._batches: dict[str, int] = {}
        self._erased = 0
        self._loader: Loader | None = None
        self._proof = driver.enter(server, request)
        self._applied = self._proof.enter(request) if self._proof else False
        if not self._applied:
            self._loader = driver.open_table(server, request)

    def applied(self) -> bool:
        """Whether an earlier try of this run committed."""
        return self._applied

    def more(self) -> dict[str, int]:
        """See ``ports.TellsMore``."""
        counts = {
            "superseded": self._loader.superseded if self._loader else 0,
            "erased": self._erased,
            "unproven": int(self._proof is None),
        }
        return {name: count for name, count in counts.items() if count}

    def write(self, batch_id: str, outputs: pa.Table) -> list[Refused]:
        """Apply one batch, in mode ``delete`` as keys to erase; the rows that the table does not take come back."""
        if self._request.mode == "delete":
            return self.erase(batch_id, outputs)
        return self._apply(batch_id, native(outputs), self._opened().load)

    def erase(self, batch_id: str, keys: pa.Table) -> list[Refused]:
        """Remove the rows of these keys."""
        key = list(self._request.key)
        if not key or not set(key) <= set(keys.column_names):
            raise FatalError(
                "sql.erase_no_key",
                f"rows are to be removed from {self._driver.table} by their key, which is "
                f"({', '.join(key)}), and there are {', '.join(keys.column_names)}",
                next_step="write key: with columns of the outputs that tell rows apart",
            )
        refused = self._apply(batch_id, native(keys.select(key)), self._opened().erase)
        self._erased += keys.num_rows - len(refused)
        return refused

    def commit(self, positions: str = "{}") -> None:
        """Make rows and proof visible together. A broken connection leaves it open; ``applied`` tells next time."""
        driver = self._driver
        try:
            if self._loader is not None:
                self._loader.finish()
            if self._proof is not None:
                self._proof.record(self._request, self._batches, positions)
        except driver.error as error:
            raise driver.explain(error, "closing the delivery") from error
        driver.commit(self._server)

    def close(self) -> None:
        """Roll back what is not committed."""
        self._server.close()

    def _opened(self) -> Loader:
        if self._loader is None:
            raise FatalError("sql.applied", f"run {self._request.run_id} is in {self._driver.table} already")
        return self._loader

    def _apply(self, batch_id: str, rows: pa.Table, how: Callable[[pa.Table], list[Refused]]) -> list[Refused]:
        try:
            refused = how(rows)
        except self._driver.error as error:
            raise self._driver.explain(error, f"writing batch {batch_id}") from error
        self._batches[batch_id] = self._batches.get(batch_id, 0) + rows.num_rows - len(refused)
        return sorted(refused, key=lambda one: one.row)
