"""The three ways of one piece: straight into the table, by way of a temporary table into an upsert, and out again.

Each counts what the server says it took: a trigger or a rule may leave rows out without an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import errors

from dragoman.connectors._sql.identifiers import quote, quote_all
from dragoman.connectors._sql.upserts import KEPT, on_conflict, overwritten
from dragoman.connectors.postgres.bulk_copy import copy_in
from dragoman.connectors.postgres.catalog import Table
from dragoman.connectors.postgres.fitting import Fit
from dragoman.connectors.postgres.session import run
from dragoman.core.ports import DeliverRequest

__all__ = ["Append", "Erase", "NotTakenError", "Upsert"]

_ORDER = "_dragoman_order"


class NotTakenError(Exception):
    """The server took fewer rows than were sent, without an error; the caller goes back to its savepoint."""

    def __init__(self, sent: int, taken: int) -> None:
        super().__init__(
            "the server took the row without an error and did not store it in this table: "
            f"a trigger or a rule leaves it out or sends it elsewhere ({taken} of {sent} in this piece were stored)"
        )


class Append:
    """COPY into the table itself."""

    def __init__(self, server: psycopg.Connection[Any], target: str, fits: list[Fit]) -> None:
        self._server = server
        self._target = target
        self._fits = fits

    def load(self, piece: pa.Table) -> None:
        """One COPY of fitted rows; raises ``psycopg.Error`` as the server answered, or ``NotTakenError``."""
        _counted(copy_in(self._server, self._target, self._fits, piece), piece.num_rows)


class Upsert:
    """COPY into a temporary table, then INSERT … ON CONFLICT; of two rows with one key the later wins."""

    def __init__(self, server: psycopg.Connection[Any], table: Table, fits: list[Fit], request: DeliverRequest) -> None:
        self.superseded = 0
        self._server = server
        self._fits = fits
        self._table = table
        self._request = request
        self._repeats = bool(request.version)
        self._stage = _staged(server, table, "_dragoman_load", [fit.name for fit in fits])
        columns, keys = quote_all(fit.name for fit in fits), quote_all(request.key)
        identity = any(table.columns[fit.name].always_identity for fit in fits)
        head = f"INSERT INTO {table.quoted} AS {KEPT} ({columns}){' OVERRIDING SYSTEM VALUE' if identity else ''} "
        tail = f" {on_conflict(request)}"
        latest = f"{quote(request.version)} DESC, {_ORDER} DESC" if request.version else f"{_ORDER} DESC"
        self._apply = f"{head}SELECT {columns} FROM {self._stage}{tail}"
        self._apply_last = (
            f"{head}SELECT {columns} FROM (SELECT DISTINCT ON ({keys}) * FROM {self._stage} "
            f"ORDER BY {keys}, {latest}) AS latest{tail}"
        )
        self._distinct = f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM {self._stage}) AS keys"

    def load(self, piece: pa.Table) -> None:
        """One COPY and one INSERT; repeated keys are sorted out only where there are any."""
        run(self._server, f"TRUNCATE {self._stage}")
        copy_in(self._server, self._stage, self._fits, piece)
        superseded = self._older() if self._request.version else 0
        taken, sent = -1, piece.num_rows
        if not self._repeats:
            run(self._server, "SAVEPOINT dragoman_apply")
            try:
                taken = self._server.execute(self._apply).rowcount
            except errors.CardinalityViolation:
                run(self._server, "ROLLBACK TO SAVEPOINT dragoman_apply")
                self._repeats = True
            run(self._server, "RELEASE SAVEPOINT dragoman_apply")
        if taken < 0:
            taken = self._server.execute(self._apply_last).rowcount
            sent = int(run(self._server, self._distinct)[0][0])
        if overwritten(self._request) and not self._request.version:
            _counted(taken, sent)
        self.superseded += superseded

    def _older(self) -> int:
        """Rows that are older than one of their key that is there, or that comes before them in the piece."""
        version, keys = quote(self._request.version), quote_all(self._request.key)
        same = " AND ".join(f"{KEPT}.{quote(name)} = made.{quote(name)}" for name in self._request.key)
        text = (
            f"SELECT count(*) FILTER (WHERE greatest(made._dragoman_before, {KEPT}.{version}) > made.{version}) "
            f"FROM (SELECT {keys}, {version}, max({version}) OVER (PARTITION BY {keys} ORDER BY {_ORDER} "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS _dragoman_before "
            f"FROM {self._stage}) AS made LEFT JOIN {self._table.quoted} AS {KEPT} ON {same}"
        )
        return int(run(self._server, text)[0][0])


class Erase:
    """COPY the keys into a temporary table, then DELETE … USING it."""

    def __init__(self, server: psycopg.Connection[Any], table: Table, target: str, fits: list[Fit]) -> None:
        self._server = server
        self._fits = fits
        names = [fit.name for fit in fits]
        self._stage = _staged(server, table, "_dragoman_erase", names)
        same = " AND ".join(f"{KEPT}.{quote(name)} = gone.{quote(name)}" for name in names)
        self._delete = f"DELETE FROM {target} AS {KEPT} USING {self._stage} AS gone WHERE {same}"
        self._left = f"SELECT count(*) FROM {target} AS {KEPT} JOIN {self._stage} AS gone ON {same}"

    def load(self, piece: pa.Table) -> None:
        """One COPY and one DELETE, after which no row of these keys may be left."""
        run(self._server, f"TRUNCATE {self._stage}")
        copy_in(self._server, self._stage, self._fits, piece)
        run(self._server, self._delete)
        left = int(run(self._server, self._left)[0][0])
        _counted(piece.num_rows - left, piece.num_rows)


def _staged(server: psycopg.Connection[Any], table: Table, name: str, columns: Sequence[str]) -> str:
    """A temporary table of these columns, and of the order in which rows came; returns its quoted name."""
    run(
        server,
        f'CREATE TEMPORARY TABLE "{name}" ON COMMIT DROP AS '
        f"SELECT {quote_all(columns)} FROM {table.quoted} WITH NO DATA",
    )
    stage = f'pg_temp."{name}"'
    run(server, f"ALTER TABLE {stage} ADD COLUMN {_ORDER} bigint GENERATED ALWAYS AS IDENTITY")
    return stage


def _counted(taken: int, sent: int) -> None:
    if taken != sent:
        raise NotTakenError(sent, taken)
