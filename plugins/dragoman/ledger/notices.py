"""What people were told, and what they still have to be told: each kind once per run and receiver.

Two sorts of rows. A *fact* (an empty target) says that something happened, whether or not anybody wants to know; a
*notice* is one message to one receiver. Both are written in one transaction before anything is sent, so that a message
which could not be sent is known and can be sent later, and a callback that comes twice finds the rows already there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dragoman.core import clock
from dragoman.ledger import tables
from dragoman.ledger.part import Part, packed
from dragoman.ledger.rows import NoticeRow

__all__ = ["CLAIM_SECONDS", "CONNECTION", "KEPT_DAYS", "WAITING", "Notices", "noted_late"]

CLAIM_SECONDS = 600.0
"""Whoever began to send and has not said how it ended for so long is taken for dead."""

KEPT_DAYS = 3.0
"""News that could not be told for so long is none any more."""

CONNECTION = "connection "
"""What an incident of a connection stands under, in the place of an integration (whose id holds no blank)."""

WAITING = "waiting"
"""The state of a notice that is not due yet."""

_FACT = ""
_TABLE = tables.notice
_KEYS = ("integration", "subject", "kind", "target")


class Notices(Part):
    """Facts and notices."""

    def note(self, integration: str, subject: str, kind: str, event: str, notices: Sequence[NoticeRow] = ()) -> bool:
        """Keep a fact and the notices about it; True if the fact is new.

        Notices of a fact that was known already are added only if it is a red one, where a run that failed may come
        to be held, and only for receivers that were told neither.
        """
        with self._db.write() as connection:
            new = _insert(connection, _fact(integration, subject, kind, event), self._db.sqlite)
            if new or kind == "red":
                for notice in notices:
                    _insert(connection, _row(notice), self._db.sqlite)
            return new

    def red_before(self, integration: str, closed_at: datetime) -> list[str]:
        """The runs that were red and not followed by a green one when another was closed; oldest first."""
        query = sa.select(_TABLE.c.subject).where(*_red(integration, closed_at)).order_by(_TABLE.c.noted_at)
        with self._db.read() as connection:
            return [str(row.subject) for row in connection.execute(query)]

    def note_recovery(
        self, integration: str, run_id: str, closed_at: datetime, notices: Sequence[NoticeRow] = ()
    ) -> bool:
        """A green run closes what was red before it; True for the one caller that finds something red."""
        with self._db.write() as connection:
            over = _TABLE.update().where(*_red(integration, closed_at)).values(state="over", changed_at=clock.now())
            if not connection.execute(over).rowcount:
                return False
            if not _insert(connection, _fact(integration, run_id, "recovered", "recovered"), self._db.sqlite):
                return False
            for notice in notices:
                _insert(connection, _row(notice), self._db.sqlite)
            return True

    def untold(self, integration: str | None = None, limit: int = 100) -> list[NoticeRow]:
        """Notices to be sent, oldest first: never tried, failed, or begun by a sender that seems to be dead."""
        now = clock.now()
        query = (
            sa.select(_TABLE)
            .where(_TABLE.c.target != _FACT, _free(now), _TABLE.c.noted_at > now - timedelta(days=KEPT_DAYS))
            .order_by(_TABLE.c.noted_at, _TABLE.c.subject, _TABLE.c.target)
            .limit(limit)
        )
        if integration is not None:
            of_connections = _TABLE.c.integration.startswith(CONNECTION)
            query = query.where(sa.or_(_TABLE.c.integration == integration, of_connections))
        with self._db.read() as connection:
            return [_of(row) for row in connection.execute(query)]

    def open_incidents(self) -> list[tuple[str, str]]:
        """Connection and subject of each incident that is not over."""
        query = sa.select(_TABLE.c.integration, _TABLE.c.subject).where(
            _TABLE.c.integration.startswith(CONNECTION), _TABLE.c.target == _FACT, _TABLE.c.state == "open"
        )
        with self._db.read() as connection:
            found = connection.execute(query.order_by(_TABLE.c.noted_at)).all()
        return [(str(row.integration).removeprefix(CONNECTION), str(row.subject)) for row in found]

    def end_incident(self, name: str, subject: str, at: str) -> bool:
        """An incident is over: what was kept to be told then may be sent; True for the one caller who ends it."""
        here = (_TABLE.c.integration == CONNECTION + name, _TABLE.c.subject == subject)
        now = clock.now()
        with self._db.write() as connection:
            over = _TABLE.update().where(*here, _TABLE.c.target == _FACT, _TABLE.c.state == "open")
            if not connection.execute(over.values(state="over", changed_at=now)).rowcount:
                return False
            for row in connection.execute(sa.select(_TABLE).where(*here, _TABLE.c.state == WAITING)).all():
                message = packed(json.loads(row.message) | {"at": at})
                values = {"state": "untold", "message": message, "noted_at": now, "changed_at": now}
                connection.execute(_TABLE.update().where(*_is(_of(row))).values(values))
            return True

    def claim(self, notice: NoticeRow) -> bool:
        """Take a notice in hand before it is sent; False if somebody else has it, or it was told."""
        now = clock.now()
        values = {"state": "claimed", "tries": _TABLE.c.tries + 1, "changed_at": now}
        with self._db.write() as connection:
            taken = connection.execute(_TABLE.update().where(*_is(notice), _free(now)).values(values))
            return taken.rowcount == 1

    def settle(self, notice: NoticeRow, error: str = "") -> None:
        """How the sending ended: told, or untold with the error."""
        values = {"state": "untold" if error else "told", "error": error, "changed_at": clock.now()}
        with self._db.write() as connection:
            connection.execute(_TABLE.update().where(*_is(notice)).values(values))

    def drop_notices(self, before: datetime) -> int:
        """Forget what was noted before a moment, except red facts that no green run has followed; returns how many."""
        still_red = sa.and_(_TABLE.c.target == _FACT, _TABLE.c.kind == "red", _TABLE.c.state == "open")
        with self._db.write() as connection:
            return int(connection.execute(_TABLE.delete().where(_TABLE.c.noted_at < before, ~still_red)).rowcount)

    def notices(self, integration: str | None = None) -> list[NoticeRow]:
        """All notices and their states, oldest first."""
        query = sa.select(_TABLE).where(_TABLE.c.target != _FACT).order_by(_TABLE.c.noted_at, _TABLE.c.subject)
        if integration is not None:
            query = query.where(_TABLE.c.integration == integration)
        with self._db.read() as connection:
            return [_of(row) for row in connection.execute(query)]


def noted_late(integration: str, trigger: str) -> sa.ScalarSelect[datetime]:
    """When a DAG run passed its deadline before it had opened a run, for the run that it opens then."""
    query = sa.select(_TABLE.c.noted_at).where(
        _TABLE.c.integration == integration,
        _TABLE.c.subject == trigger,
        _TABLE.c.kind == "late",
        _TABLE.c.target == _FACT,
    )
    return query.scalar_subquery()


def _red(integration: str, closed_at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _TABLE.c.integration == integration,
        _TABLE.c.kind == "red",
        _TABLE.c.target == _FACT,
        _TABLE.c.state == "open",
        _TABLE.c.noted_at <= closed_at,
    )


def _free(now: datetime) -> sa.ColumnElement[bool]:
    left_behind = _TABLE.c.changed_at < now - timedelta(seconds=CLAIM_SECONDS)
    return sa.or_(_TABLE.c.state == "untold", sa.and_(_TABLE.c.state == "claimed", left_behind))


def _is(notice: NoticeRow) -> tuple[sa.ColumnElement[bool], ...]:
    return tuple(_TABLE.c[name] == getattr(notice, name) for name in _KEYS)


def _fact(integration: str, subject: str, kind: str, event: str) -> dict[str, Any]:
    key = {"integration": integration, "subject": subject, "kind": kind, "target": _FACT}
    return key | {"event": event, "state": "open", "tries": 0, "receiver": "{}", "message": "{}", "error": ""}


def _row(notice: NoticeRow) -> dict[str, Any]:
    return vars(notice) | {"receiver": packed(notice.receiver), "message": packed(notice.message)}


def _insert(connection: Connection, values: dict[str, Any], sqlite: bool) -> bool:
    """Insert unless it is there; True if it was not."""
    if sqlite:
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    now = clock.now()
    statement = insert(_TABLE).values(values | {"noted_at": now, "changed_at": now}).on_conflict_do_nothing()
    return connection.execute(statement.returning(_TABLE.c.subject)).first() is not None


def _of(row: sa.Row[Any]) -> NoticeRow:
    values = dict(row._mapping)
    for name in ("noted_at", "changed_at"):
        del values[name]
    return NoticeRow(**values | {name: json.loads(values[name]) for name in ("receiver", "message")})
