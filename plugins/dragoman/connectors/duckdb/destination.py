"""Writing to a DuckDB file: one transaction per run holds the rows and the proof of their delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from dragoman.connectors._sql.delivery_table import NAME, DeliveryTable
from dragoman.connectors._sql.identifiers import (
    check_columns,
    check_needed,
    quote,
    quote_all,
    quote_table,
    split_table,
)
from dragoman.connectors._sql.local_file import database_file
from dragoman.connectors._sql.native import native
from dragoman.connectors.duckdb.catalog import Table, read_table
from dragoman.connectors.duckdb.fitting import Question, column_type, questions, value_of
from dragoman.connectors.duckdb.session import connect, explain, run
from dragoman.core.batch import Refused
from dragoman.core.connection import Connection
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import type_of
from dragoman.core.ports import DeliverRequest, Position

__all__ = ["DuckdbDestination", "DuckdbSession", "open_destination"]

_PIECE = "_dragoman_piece"
_ROW = "_dragoman_row"

_T = TypeVar("_T")


def open_destination(connection: Connection, options: Mapping[str, Any]) -> DuckdbDestination:
    """The destination of the manifest's ``destination:``; nothing is opened yet."""
    return DuckdbDestination(connection, options)


class DuckdbDestination:
    """A table in a DuckDB file."""

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._table = str(options["table"])
        split_table(self._table)

    def deliver(self, request: DeliverRequest) -> DuckdbSession:
        """Begin a run's transaction."""
        server = connect(self._connection)
        try:
            return DuckdbSession(server, request, self._table)
        except duckdb.Error as error:
            server.close()
            raise explain(error, f"opening the delivery to {self._table}") from error
        except BaseException:
            server.close()
            raise

    def last_token(self, integration: str, delivery: str) -> int:
        """The highest token seen; makes nothing."""
        return self._asked(lambda proof: proof.last_token(integration, delivery), 0)

    def positions_since(self, integration: str, delivery: str, token: int) -> list[Position]:
        """See ``ports.KeepsProof``."""
        return self._asked(lambda proof: proof.positions_since(integration, delivery, token), [])

    def forget(self, integration: str, delivery: str, before_run: str) -> int:
        """See ``ports.KeepsProof``."""
        if not database_file(self._connection).is_file():
            return 0
        server = connect(self._connection)
        try:
            if read_table(server, NAME) is None:
                return 0
            run(server, "BEGIN")
            found = _proof(server).forget(integration, delivery, before_run)
            run(server, "COMMIT")
        except duckdb.Error as error:
            raise explain(error, f"removing old rows of {NAME}") from error
        else:
            return found
        finally:
            server.close()

    def close(self) -> None:
        """Nothing is kept between sessions."""

    def _asked(self, question: Callable[[DeliveryTable], _T], nothing: _T) -> _T:
        """The answer of the table of proofs, or ``nothing`` where there is none; makes nothing, not even a file."""
        if not database_file(self._connection).is_file():
            return nothing
        server = connect(self._connection)
        try:
            if read_table(server, NAME) is None:
                return nothing
            return question(_proof(server))
        except duckdb.Error as error:
            raise explain(error, f"reading {NAME}") from error
        finally:
            server.close()


class DuckdbSession:
    """One run's transaction."""

    def __init__(self, server: duckdb.DuckDBPyConnection, request: DeliverRequest, table: str) -> None:
        self._server = server
        self._request = request
        self._batches: dict[str, int] = {}
        self._proof = _proof(server)
        self._table: Table | None = None
        self._questions: list[Question] = []
        run(server, "BEGIN")
        self._proof.create()
        self._applied = self._proof.enter(request)
        if not self._applied:
            self._table = self._open_table(table)
            key = request.key if request.mode == "upsert" else ()
            self._questions = questions(list(request.schema), self._table, key)

    def applied(self) -> bool:
        """Whether an earlier try of this run committed."""
        return self._applied

    def write(self, batch_id: str, outputs: pa.Table) -> list[Refused]:
        """Insert one batch; the rows that the table cannot take come back."""
        if self._table is None:
            raise FatalError("duckdb.applied", f"run {self._request.run_id} is in this table already")
        table = native(outputs)
        try:
            refused = self._load(self._table, table)
            self._server.unregister(_PIECE)
        except duckdb.Error as error:  # which has ended the transaction, and with it the piece
            raise explain(error, f"writing batch {batch_id}") from error
        self._batches[batch_id] = table.num_rows - len(refused)
        return refused

    def commit(self, positions: str = "{}") -> None:
        """Make rows and proof visible together."""
        try:
            self._proof.record(self._request, self._batches, positions)
            run(self._server, "COMMIT")
        except duckdb.Error as error:
            raise explain(error, "committing the delivery") from error

    def close(self) -> None:
        """Roll back what is not committed."""
        self._server.close()

    def _load(self, target: Table, outputs: pa.Table) -> list[Refused]:
        refused: dict[int, Refused] = {}
        numbers = pa.array(range(outputs.num_rows), pa.int64())
        piece = outputs.append_column(_ROW, numbers)
        for group in (self._questions, self._checks(target), self._unique(target)):
            for condition, code, field, said in group:
                self._register(piece, refused)
                for (row,) in run(self._server, f"SELECT p.{quote(_ROW)} FROM {_PIECE} p WHERE {condition} ORDER BY 1"):
                    refused.setdefault(row, Refused(row, code, said, field))
        self._register(piece, refused)
        names = outputs.column_names
        values = ", ".join(value_of(name, target) for name in names)
        head = f"INSERT INTO {target.quoted} ({quote_all(names)}) SELECT {values} FROM {_PIECE} p"
        if self._request.mode == "upsert":
            key = self._request.key
            keys = ", ".join(value_of(name, target) for name in key)
            updates = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in names if name not in key)
            action = f"UPDATE SET {updates}" if updates else "NOTHING"
            head += (
                f" QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY p.{quote(_ROW)} DESC) = 1"
                f" ON CONFLICT ({quote_all(key)}) DO {action}"
            )
        run(self._server, head)
        return [refused[row] for row in sorted(refused)]

    def _register(self, piece: pa.Table, refused: Mapping[int, Refused]) -> None:
        """Only rows that are still good are asked about, so that one reason is given for each bad one."""
        if refused:
            piece = piece.take(pa.array([row for row in range(piece.num_rows) if row not in refused], pa.int64()))
        self._server.register(_PIECE, piece)

    def _checks(self, target: Table) -> list[Question]:
        """CHECK constraints, over the values as the columns will hold them; a column that is left out is NULL."""
        found: list[Question] = []
        names = self._request.schema.names
        for check in target.checks:
            values = ", ".join(
                f"{value_of(name, target) if name in names else 'NULL'} AS {quote(name)}" for name in target.columns
            )
            condition = f"EXISTS (SELECT 1 FROM (SELECT {values}) AS made WHERE TRY(({check})) IS FALSE)"
            found.append((condition, "duckdb.check", "", f"the row breaks CHECK {check}"))
        return found

    def _unique(self, target: Table) -> list[Question]:
        """Keys that the table holds already, or that an earlier row of the batch brings."""
        found: list[Question] = []
        request, row = self._request, quote(_ROW)
        for columns in target.unique:
            if any(name not in request.schema.names for name in columns):
                continue
            upsert = request.mode == "upsert"
            if upsert and set(columns) == set(request.key):
                continue
            pairs = " AND ".join(f"t.{quote(name)} = {value_of(name, target)}" for name in columns)
            if upsert:
                same = " AND ".join(f"t.{quote(name)} = {value_of(name, target)}" for name in request.key)
                pairs += f" AND NOT ({same})"
            parts = ", ".join(value_of(name, target) for name in columns)
            present = " AND ".join(f"p.{quote(name)} IS NOT NULL" for name in columns)
            said = f"({', '.join(columns)}) must be unique and is there already"
            code = "duckdb.unique"
            found.append((f"EXISTS (SELECT 1 FROM {target.quoted} t WHERE {pairs})", code, columns[0], said))
            repeated = f"{present} QUALIFY row_number() OVER (PARTITION BY {parts} ORDER BY p.{row}) > 1"
            found.append((repeated, code, columns[0], said))
        return found

    def _open_table(self, name: str) -> Table:
        request, server = self._request, self._server
        table = read_table(server, name)
        if table is None:
            if not request.create:
                raise FatalError(
                    "duckdb.no_table",
                    f"table {name} does not exist and create: is false",
                    next_step="create the table, or write create: true",
                )
            lines = [f"{quote(field.name)} {column_type(type_of(field))}" for field in request.schema]
            if request.key:
                lines.append(f"PRIMARY KEY ({quote_all(request.key)})")
            run(server, f"CREATE TABLE {quote_table(*split_table(name))} ({', '.join(lines)})")
            table = read_table(server, name)
        if table is None:
            raise FatalError("duckdb.no_table", f"table {name} was made and cannot be found")
        check_columns("duckdb", name, list(request.schema), list(table.columns))
        check_needed("duckdb", name, list(request.schema), table.needed)
        if request.mode == "replace":
            run(server, f"DELETE FROM {table.quoted}")
        if request.mode == "upsert" and not any(set(columns) == set(request.key) for columns in table.unique):
            raise FatalError(
                "duckdb.no_unique_key",
                f"table {name} has no unique index on exactly ({quote_all(request.key)}), which an upsert needs",
                next_step=f"CREATE UNIQUE INDEX {quote(split_table(name)[1] + '_key')} "
                f"ON {table.quoted} ({quote_all(request.key)})",
            )
        return table


def _proof(server: duckdb.DuckDBPyConnection) -> DeliveryTable:
    return DeliveryTable(lambda text, values: run(server, text, values), quote(NAME), mark="?")
