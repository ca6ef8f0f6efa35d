"""A destination of rows in one table of a database, the same for every system (``driver.py``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from dragoman.connectors._sql.delivery_table import NAME, DeliveryTable
from dragoman.connectors._sql.driver import Driver, S
from dragoman.connectors._sql.identifiers import split_table
from dragoman.connectors._sql.session import SqlSession
from dragoman.core.ports import DeliverRequest, Position

__all__ = ["SqlDestination"]

_T = TypeVar("_T")


class SqlDestination(Generic[S]):
    """See the ports ``RecordDestination`` and ``KeepsProof``."""

    def __init__(self, driver: Driver[S]) -> None:
        self._driver = driver
        split_table(driver.table)

    def deliver(self, request: DeliverRequest) -> SqlSession[S]:
        """Begin a run's transaction."""
        driver = self._driver
        server = driver.connect(f"dragoman {request.integration}")
        try:
            return SqlSession(driver, server, request)
        except driver.error as error:
            server.close()
            raise driver.explain(error, f"opening the delivery to {driver.table}") from error
        except BaseException:
            server.close()
            raise

    def last_token(self, integration: str, delivery: str) -> int:
        """The highest token seen; makes nothing."""
        return self._asked(lambda proof: proof.last_token(integration, delivery), 0)

    def last_run(self, integration: str, delivery: str) -> str:
        """See ``ports.KeepsProof``."""
        return self._asked(lambda proof: proof.last_run(integration, delivery), "")

    def positions_since(self, integration: str, delivery: str, token: int) -> list[Position]:
        """See ``ports.KeepsProof``."""
        return self._asked(lambda proof: proof.positions_since(integration, delivery, token), [])

    def applied_batches(self, integration: str, delivery: str, run_id: str) -> dict[str, int]:
        """See ``ports.ProvesBatches``."""
        return self._asked(lambda proof: proof.applied_batches(integration, delivery, run_id), {})

    def forget(self, integration: str, delivery: str, before_run: str) -> int:
        """See ``ports.KeepsProof``."""
        return self._asked(lambda proof: proof.forget(integration, delivery, before_run), 0, writes=True)

    def close(self) -> None:
        """Nothing is kept between sessions."""

    def _asked(self, question: Callable[[DeliveryTable], _T], nothing: _T, *, writes: bool = False) -> _T:
        """The answer of the table of proofs, or ``nothing`` where there is none; makes nothing, not even a file."""
        driver = self._driver
        if not driver.exists():
            return nothing
        server = driver.connect(reading=not writes)
        try:
            if (proof := driver.proof(server)) is None:
                return nothing
            if not writes:
                return question(proof)
            driver.run(server, driver.begin)
            answer = question(proof)
            driver.run(server, "COMMIT")
        except driver.error as error:
            doing = f"removing old rows of {NAME}" if writes else f"reading {NAME}"
            raise driver.explain(error, doing) from error
        else:
            return answer
        finally:
            server.close()
