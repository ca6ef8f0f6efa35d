"""Loading one piece of a batch: straight into the table, or through a temporary table into an upsert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import psycopg
import pyarrow as pa
from psycopg import errors

from dragoman.connectors._sql.identifiers import quote, quote_all
from dragoman.connectors.postgres.bulk_copy import copy_in
from dragoman.connectors.postgres.catalog import Table
from dragoman.connectors.postgres.fitting import Fit
from dragoman.connectors.postgres.session import run

__all__ = ["Append", "Loading", "Upsert"]


class Loading(Protocol):
    """How a piece gets in; the caller holds the savepoint."""

    fits: list[Fit]

    def load(self, piece: pa.Table) -> None:
        """Load fitted rows; raises ``psycopg.Error`` as the server answered."""
        ...


class Append:
    """COPY into the table itself."""

    def __init__(self, server: psycopg.Connection[Any], target: str, fits: list[Fit]) -> None:
        self.fits = fits
        self._server = server
        self._target = target

    def load(self, piece: pa.Table) -> None:
        """One COPY."""
        copy_in(self._server, self._target, self.fits, piece)


class Upsert:
    """COPY into a temporary table, then INSERT … ON CONFLICT; of two rows with one key the later wins."""

    _STAGE = "_dragoman_load"
    _ORDER = "_dragoman_order"

    def __init__(self, server: psycopg.Connection[Any], table: Table, fits: list[Fit], key: Sequence[str]) -> None:
        self.fits = fits
        self._server = server
        self._stage = f'pg_temp."{self._STAGE}"'
        self._repeats = False
        names = [fit.name for fit in fits]
        columns = quote_all(names)
        run(
            server,
            f'CREATE TEMPORARY TABLE "{self._STAGE}" ON COMMIT DROP AS '
            f"SELECT {columns} FROM {table.quoted} WITH NO DATA",
        )
        run(server, f'ALTER TABLE {self._stage} ADD COLUMN "{self._ORDER}" bigint GENERATED ALWAYS AS IDENTITY')
        identity = any(table.columns[name].always_identity for name in names)
        updates = ", ".join(f"{quote(name)} = EXCLUDED.{quote(name)}" for name in names if name not in key)
        action = f"DO UPDATE SET {updates}" if updates else "DO NOTHING"
        keys = quote_all(key)
        head = f"INSERT INTO {table.quoted} ({columns}){' OVERRIDING SYSTEM VALUE' if identity else ''} "
        tail = f" ON CONFLICT ({keys}) {action}"
        self._apply = f"{head}SELECT {columns} FROM {self._stage}{tail}"
        self._apply_last = (
            f"{head}SELECT {columns} FROM (SELECT DISTINCT ON ({keys}) * FROM {self._stage} "
            f'ORDER BY {keys}, "{self._ORDER}" DESC) AS latest{tail}'
        )

    def load(self, piece: pa.Table) -> None:
        """One COPY and one INSERT; repeated keys are sorted out only where there are any."""
        run(self._server, f"TRUNCATE {self._stage}")
        copy_in(self._server, self._stage, self.fits, piece)
        if not self._repeats:
            run(self._server, "SAVEPOINT dragoman_apply")
            try:
                run(self._server, self._apply)
            except errors.CardinalityViolation:
                run(self._server, "ROLLBACK TO SAVEPOINT dragoman_apply")
                self._repeats = True
            run(self._server, "RELEASE SAVEPOINT dragoman_apply")
        if self._repeats:
            run(self._server, self._apply_last)
