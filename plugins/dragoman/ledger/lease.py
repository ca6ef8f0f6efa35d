"""Leases: one process at a time works on an integration, and who comes later has the higher fencing token."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dragoman.core import clock
from dragoman.core.errors import FatalError, RetriableError
from dragoman.ledger import tables
from dragoman.ledger.database import Database
from dragoman.ledger.holder import Holder, is_dead, this_process
from dragoman.ledger.part import Part, check_fence

__all__ = ["EXPIRES_AFTER", "RENEW_EVERY", "Lease", "Leases"]

EXPIRES_AFTER = 60.0
"""Seconds by the database's clock after which another host's lease is void."""
RENEW_EVERY = 20.0
_ASK_EVERY = 0.5
_FREE = ""


class Lease:
    """A lease that is held. As a context manager it renews itself in the background and is released at the end."""

    def __init__(self, database: Database, integration: str, token: int, holder: Holder) -> None:
        self.integration = integration
        self.token = token
        self.holder = holder
        self._db = database
        self._over = threading.Event()
        self._changing = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{integration}", daemon=True)

    def renew(self) -> None:
        """Hold it for another ``EXPIRES_AFTER`` seconds; ``FatalError`` ``lease.lost`` if someone took over."""
        self._change({"expires_at": self._db.now() + EXPIRES_AFTER})

    def raise_above(self, seen: int) -> None:
        """Take a token above ``seen``, which a destination knows; ``FatalError`` ``lease.lost`` if someone took over.

        An older copy of the ledger, put back from a backup, does not know every token that it once gave.
        """
        self._change({"token": seen + 1})

    def _change(self, values: dict[str, Any]) -> None:
        with self._changing:
            with self._db.write() as connection:
                check_fence(connection, self.integration, self.token)
                connection.execute(
                    tables.lease.update().where(tables.lease.c.integration == self.integration).values(values)
                )
            self.token = values.get("token", self.token)

    def release(self) -> None:
        """Give it back; its token stays used. Nothing happens if someone took over."""
        self._over.set()
        with self._db.write() as connection:
            connection.execute(
                tables.lease.update()
                .where(tables.lease.c.integration == self.integration, tables.lease.c.token == self.token)
                .values(host=_FREE, expires_at=0.0)
            )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.release()

    def _keep(self) -> None:
        while not self._over.wait(RENEW_EVERY):
            try:
                self.renew()
            except RetriableError:
                continue  # the database may answer next time; until then the lease runs on
            except FatalError:
                return  # taken over: the next write of the run says so, in the thread that must stop


class Leases(Part):
    """Taking and checking leases."""

    def take_lease(self, integration: str, *, floor: int = 0, wait: float = 0.0) -> Lease:
        """Take the lease with a token above every earlier one and above ``floor``.

        A holder that died on this host is replaced at once, one of another host when its lease has expired. A living
        one is waited for up to ``wait`` seconds, then ``RetriableError`` ``lease.held``; of another host's, whose life
        nobody here can see, it says when that lease expires unless it is renewed.
        """
        until = clock.monotonic() + wait
        while True:
            try:
                return self._take(integration, floor)
            except RetriableError as error:
                if error.code != "lease.held" or clock.monotonic() >= until:
                    raise
            clock.sleep(_ASK_EVERY)

    def check_token(self, integration: str, token: int) -> None:
        """``FatalError`` ``lease.lost`` unless ``token`` is the newest one of the integration."""
        with self._db.read() as connection:
            check_fence(connection, integration, token)

    def _take(self, integration: str, floor: int) -> Lease:
        me = this_process()
        with self._db.write() as connection:
            row = _locked(connection, self._db, integration)
            if row.host != _FREE and not _may_be_replaced(row):
                raise _held(integration, row)
            token = max(int(row.token), floor) + 1
            now = self._db.now()
            connection.execute(
                tables.lease.update()
                .where(tables.lease.c.integration == integration)
                .values(
                    token=token,
                    host=me.host,
                    machine=me.machine,
                    pid=me.pid,
                    started=me.started,
                    taken_at=now,
                    expires_at=now + EXPIRES_AFTER,
                )
            )
        return Lease(self._db, integration, token, me)


def _locked(connection: Connection, database: Database, integration: str) -> sa.Row[Any]:
    """The integration's lease with the row locked; made where there is none."""
    query = (
        sa.select(tables.lease, database.now().label("now"))
        .where(tables.lease.c.integration == integration)
        .with_for_update()
    )
    row = connection.execute(query).one_or_none()
    if row is not None:
        return row
    if database.sqlite:
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    fresh: dict[str, Any] = {"integration": integration, "token": 0, "host": _FREE, "machine": "", "pid": 0}
    fresh |= {"started": "", "taken_at": 0.0, "expires_at": 0.0}
    connection.execute(insert(tables.lease).values(fresh).on_conflict_do_nothing())
    return connection.execute(query).one()


def _may_be_replaced(row: sa.Row[Any]) -> bool:
    holder = Holder(host=row.host, machine=row.machine, pid=row.pid, started=row.started)
    if holder.machine == this_process().machine:
        return is_dead(holder)
    return bool(row.expires_at <= row.now)


def _held(integration: str, row: sa.Row[Any]) -> RetriableError:
    since = datetime.fromtimestamp(row.taken_at, UTC)
    here = row.machine == this_process().machine
    left = max(0, round(row.expires_at - row.now))
    step = (
        f"wait until it has ended, then run again; if it hangs, end it (kill {row.pid}): what it staged is kept"
        if here
        else f"wait until it has ended, then run again; if that machine is gone, its lease expires in {left} s"
    )
    return RetriableError(
        "lease.held",
        f"integration {integration!r} is being worked on by process {row.pid} on {row.host}, "
        f"since {since:%Y-%m-%d %H:%M:%S} UTC",
        next_step=step,
        retry_after=None if here else left + 1.0,
    )
