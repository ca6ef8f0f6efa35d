"""The ledger's schema: made at first use, checked with one SELECT at each opening, migrated when it is older.

Alembic is loaded only to migrate: its import costs more than a whole small run.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dragoman.core.errors import DragomanError, FatalError
from dragoman.ledger import tables
from dragoman.ledger.database import Database

__all__ = ["prepare_schema"]

_CREATION_LOCK = 0x6472_6167_6F6D_616E
"""PostgreSQL's advisory lock of everyone who creates or migrates (the letters of the name)."""


def prepare_schema(database: Database) -> None:
    """Bring the schema to what this program needs; safe when several processes do it at once."""
    if _revision_if_any(database) == tables.REVISIONS[-1]:
        return
    if database.sqlite:
        database.to_wal()
    with database.write() as connection:
        if not database.sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION_LOCK)))
        found = _revision(connection) if sa.inspect(connection).has_table(tables.version.name) else None
        if found == tables.REVISIONS[-1]:
            return
        if found is None:
            tables.metadata.create_all(connection)
            connection.execute(tables.version.insert().values(version_num=tables.REVISIONS[-1]))
        elif found in tables.REVISIONS:
            _migrate(connection)
        else:
            raise FatalError(
                "ledger.newer",
                f"the ledger {database.name} has the schema {found}, this version knows up to {tables.REVISIONS[-1]}",
                next_step="use the version of dragoman that wrote it, or a later one",
            )


def _revision(connection: Connection) -> str | None:
    return connection.execute(sa.select(tables.version.c.version_num)).scalar()


def _revision_if_any(database: Database) -> str | None:
    try:
        with database.read() as connection:
            return _revision(connection)
    except DragomanError as error:
        if isinstance(error.__cause__, sa.exc.OperationalError | sa.exc.ProgrammingError) and _no_table(error):
            return None
        raise


def _no_table(error: DragomanError) -> bool:
    return "no such table" in error.message or "does not exist" in error.message


def _migrate(connection: Connection) -> None:
    from dragoman.ledger.migrate import upgrade

    upgrade(connection)
