"""One database, SQLite or PostgreSQL: connections, transactions, its clock, and its errors in our words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url

from dragoman.core.errors import ConfigError, DragomanError, FatalError, RetriableError

__all__ = ["Database"]

_BUSY_MILLISECONDS = 30_000
_CONNECT_SECONDS = 15
_WRITE, _LAZY = "dragoman_write", "dragoman_lazy"


class Database:
    """The ledger's database. ``read`` and ``write`` give a connection within a transaction."""

    def __init__(self, url: str) -> None:
        self.url = _with_driver(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(self.url) if self.sqlite else _postgres_engine(self.url)

    @property
    def name(self) -> str:
        """The URL without its password, for messages."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; on SQLite it waits for nobody."""
        with self._in_our_words(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, lazy: bool = False) -> Iterator[Connection]:
        """A transaction that writes, durable when it ends; waits up to 30 s for others that do.

        On SQLite it is the only one that writes (BEGIN IMMEDIATE); on PostgreSQL the lease's row is what it locks.
        ``lazy``: it outlives this process, but not a loss of power; the next one that is not lazy makes it durable.
        """
        options = {_WRITE: True, _LAZY: lazy}
        with (
            self._in_our_words(),
            self._engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    def now(self) -> sa.Function[float] | sa.ColumnElement[float]:
        """The database's own clock, in seconds since 1970; every process sees the same."""
        text = (
            "(julianday('now') - 2440587.5) * 86400.0"
            if self.sqlite
            else "CAST(extract(epoch from clock_timestamp()) AS double precision)"
        )
        return sa.literal_column(text, sa.Float)

    def to_wal(self) -> None:
        """Switch a new SQLite file to its write-ahead log; it stays so. Waits for others that do the same."""
        with self._in_our_words(), self._engine.connect() as connection:
            cursor = connection.connection.cursor()
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise _translated(self.name, error) from error


def _with_driver(text: str) -> URL:
    try:
        url = make_url(text)
    except sa.exc.ArgumentError as error:
        raise _unusable("its URL cannot be read") from error
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database:
        return url
    if backend in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    raise _unusable(f"its URL begins with {url.drivername}://, and the ledger is kept in SQLite or PostgreSQL")


def _unusable(why: str) -> ConfigError:
    return ConfigError(
        "ledger.unusable",
        f"the ledger cannot be opened: {why}",
        next_step="set AIRFLOW_CONN_DRAGOMAN_LEDGER to sqlite:////path/ledger.db or postgresql://user:pass@host:5432/db",
    )


def _sqlite_engine(url: URL) -> Engine:
    file = Path(str(url.database))
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise _unusable(f"the file {file} cannot be written: {error.strerror}") from error
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_MILLISECONDS / 1000})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below; sqlite3's own rules would break DDL apart
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get(_WRITE):
            connection.exec_driver_sql("BEGIN")
            return
        connection.exec_driver_sql(f"PRAGMA synchronous = {'NORMAL' if options.get(_LAZY) else 'FULL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres_engine(url: URL) -> Engine:
    engine = sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": _CONNECT_SECONDS})

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_WRITE):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_BUSY_MILLISECONDS}")
        if options.get(_LAZY):
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

    return engine


def _translated(name: str, error: sa.exc.DBAPIError) -> DragomanError:
    text = str(error.orig).strip() or type(error.orig).__name__
    low = text.lower()
    if "disk is full" in low or "no space left" in low:
        return RetriableError(
            "ledger.disk_full",
            f"the ledger {name} has no room: {text}",
            next_step="free space there; the run then goes on from what is staged",
        )
    if "malformed" in low or "not a database" in low:
        return FatalError(
            "ledger.damaged",
            f"the ledger {name} is damaged: {text}",
            next_step="restore it from a backup; destinations keep what they need so that nothing doubles",
        )
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        return RetriableError(
            "ledger.unreachable",
            f"the ledger {name} does not answer as it should: {text}",
            next_step="see that it runs, may be written and has free connections, then run again",
        )
    return FatalError("ledger.refused", f"the ledger {name} refused a statement: {text}", next_step="report this")
