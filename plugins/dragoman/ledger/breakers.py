"""Circuit breakers: a connection that fails again and again is left alone for a while, by all integrations.

Failures in a row open the circuit; while it is open nobody may use the connection. When its pause is over one process
claims the right to try: how that ends decides. A claim is worth nothing after ``CLAIM_SECONDS``, so a killed process
keeps nobody out for long. All moments are by the database's clock. A healthy connection costs one read and no write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dragoman.core import clock
from dragoman.core.errors import ConfigError, RetriableError
from dragoman.ledger import tables
from dragoman.ledger.part import Part
from dragoman.ledger.rows import CircuitRow

__all__ = ["CLAIM_SECONDS", "Breakers", "CircuitLimits", "Passage"]

CLAIM_SECONDS = 120.0
"""How long one process alone may try a connection; after that the next may."""

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
_TABLE = tables.breaker


@dataclass(frozen=True)
class CircuitLimits:
    """When a circuit opens, and for how long.

    ``failures`` in a row open it, or ``throttled`` refusals because of too many requests. It then rests for ``pause``
    seconds, each further time twice as long, up to ``longest``.
    """

    failures: int = 5
    throttled: int = 15
    pause: float = 60.0
    longest: float = 900.0

    def rest(self, openings: int, asked: float | None) -> float:
        """Seconds to rest at the nth opening (1-based), or as long as the peer asks, if that is longer."""
        doubled: float = self.pause * 2.0 ** min(openings - 1, 30)
        return min(max(doubled, asked or 0.0), self.longest)


class Passage(NamedTuple):
    """The right to use a connection. ``probe``: the claim by which it is tried; ``marked``: earlier failures stand."""

    probe: str = ""
    marked: bool = False


class Breakers(Part):
    """The circuit of each connection."""

    def circuit(self, connection: str) -> CircuitRow | None:
        """The circuit of a connection; None where nothing ever failed."""
        with self._db.read() as transaction:
            row = transaction.execute(sa.select(_TABLE).where(_TABLE.c.connection == connection)).one_or_none()
            return None if row is None else CircuitRow(**row._mapping)

    def circuits(self) -> list[CircuitRow]:
        """All circuits that something ever failed at, by name."""
        with self._db.read() as transaction:
            rows = transaction.execute(sa.select(_TABLE).order_by(_TABLE.c.connection)).all()
            return [CircuitRow(**row._mapping) for row in rows]

    def pass_circuit(self, connection: str, claimant: str) -> Passage:
        """Ask to use a connection; whoever comes first after its pause becomes the probe.

        Raises:
            RetriableError: ``connection.circuit_open``: it rests, or another process tries it right now.
        """
        columns = (_TABLE.c.state, _TABLE.c.failures, _TABLE.c.throttled, _TABLE.c.until)
        query = sa.select(*columns, self._db.now().label("now")).where(_TABLE.c.connection == connection)
        with self._db.read() as transaction:
            row = transaction.execute(query).one_or_none()
        if row is None or row.state == CLOSED:
            return Passage(marked=row is not None and bool(row.failures or row.throttled))
        if row.until <= row.now and self._claim(connection, claimant):
            return Passage(probe=claimant, marked=True)
        raise self._refusal(connection)

    def note_answer(self, connection: str) -> None:
        """It answers: the circuit closes, and failures are counted anew."""
        with self._db.write() as transaction:
            transaction.execute(_TABLE.update().where(_TABLE.c.connection == connection).values(_closed()))

    def note_outage(
        self,
        connection: str,
        code: str,
        error: str,
        *,
        throttled: bool = False,
        asked: float | None = None,
        probe: str = "",
        limits: CircuitLimits,
    ) -> CircuitRow:
        """One more failure; the circuit as it is then. ``asked``: seconds that the peer asks to wait."""
        with self._db.write() as transaction:
            row, now = self._locked(transaction, connection)
            failures, counted = row.failures + (not throttled), row.throttled + throttled
            values: dict[str, Any] = {"failures": failures, "throttled": counted, "code": code, "error": error}
            over = failures >= limits.failures or counted >= limits.throttled
            failed_probe = row.state == HALF_OPEN and bool(probe) and row.probe == probe
            if failed_probe or (row.state == CLOSED and over):
                openings = row.openings + 1
                values |= {"state": OPEN, "openings": openings, "probe": "", "since": row.since or clock.now()}
                values["until"] = now + limits.rest(openings, asked)
            values["changed_at"] = clock.now()
            transaction.execute(_TABLE.update().where(_TABLE.c.connection == connection).values(values))
            return self._locked(transaction, connection)[0]

    def give_back(self, connection: str, probe: str) -> None:
        """A probe ended without having learnt anything: the next one may try at once."""
        mine = (_TABLE.c.connection == connection, _TABLE.c.state == HALF_OPEN, _TABLE.c.probe == probe)
        values = {"state": OPEN, "probe": "", "until": self._db.now(), "changed_at": clock.now()}
        with self._db.write() as transaction:
            transaction.execute(_TABLE.update().where(*mine).values(values))

    def reset_circuit(self, connection: str, who: str) -> None:
        """A person closes a circuit, which the audit keeps; ``ConfigError`` ``connection.no_circuit`` without one."""
        with self._db.write() as transaction:
            here = _TABLE.c.connection == connection
            before = transaction.execute(sa.select(_TABLE).where(here)).one_or_none()
            if before is None:
                raise ConfigError(
                    "connection.no_circuit",
                    f"no failure of a connection {connection!r} is known, so there is nothing to reset",
                    next_step="dragoman connections lists those that have failed",
                )
            transaction.execute(_TABLE.update().where(here).values(_closed()))
            detail = f"{connection}: {before.state} -> closed after {before.failures} failures, the last {before.code}"
            transaction.execute(
                tables.audit.insert().values(at=clock.now(), who=who, what="circuit", run_id="", detail=detail)
            )

    def _claim(self, connection: str, claimant: str) -> bool:
        """Become the one that tries; False if another was faster."""
        now = self._db.now()
        free = (_TABLE.c.connection == connection, _TABLE.c.state != CLOSED, _TABLE.c.until <= now)
        values = {"state": HALF_OPEN, "probe": claimant, "until": now + CLAIM_SECONDS, "changed_at": clock.now()}
        with self._db.write() as transaction:
            return transaction.execute(_TABLE.update().where(*free).values(values)).rowcount == 1

    def _refusal(self, connection: str) -> RetriableError:
        with self._db.read() as transaction:
            query = sa.select(_TABLE, self._db.now().label("now")).where(_TABLE.c.connection == connection)
            row = transaction.execute(query).one()
        left = max(0.0, row.until - row.now)
        moment = clock.moment_of(row.until)
        rests = (
            f"is not used until {moment:%Y-%m-%d %H:%M:%S} UTC (in {left:.0f} s)"
            if row.state != HALF_OPEN
            else "is being tried by one other process right now"
        )
        times = f"{row.failures + row.throttled} times in a row"
        error = RetriableError(
            "connection.circuit_open",
            f"connection {connection!r} has failed {times} and {rests}; the last error: {row.error}",
            next_step=f"dragoman connectors test {connection}; when it works, a run closes the circuit by itself, or "
            f"dragoman connections reset {connection} does at once",
            retry_after=left + 1.0 + clock.random_fraction() * max(5.0, left / 4),
        )
        error.connection = connection
        return error

    def _locked(self, transaction: Connection, connection: str) -> tuple[CircuitRow, float]:
        """The row, locked and made where there is none, and the database's clock."""
        query = sa.select(_TABLE, self._db.now().label("now")).where(_TABLE.c.connection == connection)
        row = transaction.execute(query.with_for_update()).one_or_none()
        if row is None:
            if self._db.sqlite:
                from sqlalchemy.dialects.sqlite import insert
            else:
                from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
            fresh = {"connection": connection, **_closed(), "code": "", "error": ""}
            transaction.execute(insert(_TABLE).values(fresh).on_conflict_do_nothing())
            row = transaction.execute(query.with_for_update()).one()
        values = dict(row._mapping)
        now = float(values.pop("now"))
        return CircuitRow(**values), now


def _closed() -> dict[str, Any]:
    """A circuit at rest; what failed last stays to be seen."""
    counts = {"failures": 0, "throttled": 0, "openings": 0}
    return counts | {"state": CLOSED, "probe": "", "until": 0.0, "since": None, "changed_at": clock.now()}
