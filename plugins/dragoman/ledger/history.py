"""Rejects that are open, the audit of what people decided, and the last good copy of each integration file."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec
import sqlalchemy as sa

from dragoman.core import clock
from dragoman.ledger import tables
from dragoman.ledger.part import Part
from dragoman.ledger.rows import AuditRow, GoodCopy, RejectRow

__all__ = ["History"]

_REJECT = [column for column in tables.reject.c if column.name != "id"]


class History(Part):
    """Rejects, audit, good copies."""

    def open_rejects(self, integration: str, run_id: str | None = None) -> list[RejectRow]:
        """The integration's open rejects, or those of one run, in the order of runs, nodes and records."""
        table = tables.reject
        query = sa.select(*_REJECT).where(table.c.integration == integration, table.c.state == "open")
        if run_id is not None:
            query = query.where(table.c.run_id == run_id)
        with self._db.read() as connection:
            return [RejectRow(**row._mapping) for row in connection.execute(query.order_by(table.c.id))]

    def first_reject(self, run_id: str) -> RejectRow | None:
        """The first reject of a run in the order of nodes and records, whatever became of it; None without one."""
        table = tables.reject
        query = sa.select(*_REJECT).where(table.c.run_id == run_id).order_by(table.c.id).limit(1)
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else RejectRow(**row._mapping)

    def close_rejects(self, run_id: str, how: str) -> int:
        """The open rejects of a run become ``how`` (replayed, abandoned, …); returns how many were open."""
        table = tables.reject
        statement = table.update().where(table.c.run_id == run_id, table.c.state == "open").values(state=how)
        with self._db.write() as connection:
            return int(connection.execute(statement).rowcount)

    def audit(self, who: str, what: str, run_id: str = "", detail: str = "") -> None:
        """Keep who did what, when."""
        values = {"at": clock.now(), "who": who, "what": what, "run_id": run_id, "detail": detail}
        with self._db.write() as connection:
            connection.execute(tables.audit.insert().values(values))

    def audits(self, run_id: str) -> list[AuditRow]:
        """What was done to a run, oldest first."""
        table = tables.audit
        query = sa.select(table.c.at, table.c.who, table.c.what, table.c.run_id, table.c.detail)
        with self._db.read() as connection:
            found = connection.execute(query.where(table.c.run_id == run_id).order_by(table.c.id))
            return [AuditRow(**row._mapping) for row in found]

    def save_good_copy(self, file: str, digest: str, files: Mapping[str, bytes]) -> None:
        """Keep the last good copy of an integration file; nothing is written where it is kept already."""
        table = tables.good_copy
        with self._db.read() as connection:
            if connection.execute(sa.select(table.c.digest).where(table.c.file == file)).scalar() == digest:
                return
        content = zlib.compress(msgspec.msgpack.encode(dict(files)))
        with self._db.write() as connection:
            connection.execute(table.delete().where(table.c.file == file))
            connection.execute(table.insert().values(file=file, digest=digest, content=content, saved_at=clock.now()))

    def good_copy(self, file: str) -> GoodCopy | None:
        """The last good copy of an integration file, or None."""
        table = tables.good_copy
        with self._db.read() as connection:
            row = connection.execute(sa.select(table).where(table.c.file == file)).one_or_none()
        if row is None:
            return None
        files = msgspec.msgpack.decode(zlib.decompress(row.content), type=dict[str, bytes])
        return GoodCopy(file=row.file, digest=row.digest, files=files, saved_at=row.saved_at)
