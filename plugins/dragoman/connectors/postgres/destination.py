"""Writing to PostgreSQL: one transaction per run holds the rows and the proof of their delivery."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
import pyarrow as pa

from dragoman.connectors._sql.delivery_table import NAME, DeliveryTable
from dragoman.connectors._sql.identifiers import check_columns, check_needed, quote_table, split_table
from dragoman.connectors._sql.isolate import Failure, isolate
from dragoman.connectors._sql.native import native
from dragoman.connectors.postgres.bulk_copy import line_of
from dragoman.connectors.postgres.catalog import Table, current_schema, read_table
from dragoman.connectors.postgres.ddl import create_table
from dragoman.connectors.postgres.fitting import fit_rows, plan
from dragoman.connectors.postgres.loading import Append, Loading, Upsert
from dragoman.connectors.postgres.replace import Replacement
from dragoman.connectors.postgres.session import connect, explain, run
from dragoman.core.batch import Refused
from dragoman.core.connection import Connection
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.ports import DeliverRequest, Position

__all__ = ["PostgresDestination", "PostgresSession", "open_destination"]

_LOG = logging.getLogger(__name__)
_DATA = ("22", "23")
_EXISTS = ("23505", "42P07")

_T = TypeVar("_T")


def open_destination(connection: Connection, options: Mapping[str, Any]) -> PostgresDestination:
    """The destination of the manifest's ``destination:``; nothing is opened yet."""
    return PostgresDestination(connection, options)


class PostgresDestination:
    """A table in a PostgreSQL database."""

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._table = str(options["table"])
        self._schema = str(options.get("delivery_schema") or "")
        self._lock_timeout = float(options.get("lock_timeout") or 60)
        split_table(self._table)

    def deliver(self, request: DeliverRequest) -> PostgresSession:
        """Begin a run's transaction."""
        server = connect(self._connection, name=f"dragoman {request.integration}")
        try:
            return PostgresSession(server, request, self._table, self._schema, self._lock_timeout)
        except psycopg.Error as error:
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
        server = connect(self._connection)
        try:
            home = _delivery_home(server, self._table, self._schema)
            if not run(server, "SELECT to_regclass(%s) IS NOT NULL", (home,))[0][0]:
                return 0
            run(server, "BEGIN")
            found = _delivery_table(server, home).forget(integration, delivery, before_run)
            run(server, "COMMIT")
        except psycopg.Error as error:
            raise explain(error, f"removing old rows of {NAME}") from error
        else:
            return found
        finally:
            server.close()

    def close(self) -> None:
        """Nothing is kept between sessions."""

    def _asked(self, question: Callable[[DeliveryTable], _T], nothing: _T) -> _T:
        """The answer of the table of proofs, or ``nothing`` where there is none; makes nothing, not even a file."""
        server = connect(self._connection)
        try:
            home = _delivery_home(server, self._table, self._schema)
            if not run(server, "SELECT to_regclass(%s) IS NOT NULL", (home,))[0][0]:
                return nothing
            return question(_delivery_table(server, home))
        except psycopg.Error as error:
            raise explain(error, f"reading {NAME}") from error
        finally:
            server.close()


class PostgresSession:
    """One run's transaction; ``write`` and ``commit`` are of the port ``DeliverySession``."""

    def __init__(
        self,
        server: psycopg.Connection[Any],
        request: DeliverRequest,
        table: str,
        delivery_schema: str,
        lock_timeout: float,
    ) -> None:
        self._server = server
        self._request = request
        self._batches: dict[str, int] = {}
        self._replacement: Replacement | None = None
        self._loading: Loading | None = None
        run(server, f"SET lock_timeout = {int(lock_timeout * 1000)}")
        run(server, "SET timezone = 'UTC'")
        run(server, "SET datestyle = 'ISO, YMD'")
        self._proof = self._prepare_proof(_delivery_home(server, table, delivery_schema))
        run(server, "BEGIN ISOLATION LEVEL READ COMMITTED")
        self._applied = self._proof.enter(request) if self._proof else False
        if not self._applied:
            self._open_table(table)

    def applied(self) -> bool:
        """Whether an earlier try of this run committed."""
        return self._applied

    def write(self, batch_id: str, outputs: pa.Table) -> list[Refused]:
        """Load one batch under savepoints; the rows that the server refuses come back."""
        if self._loading is None:
            raise FatalError("postgres.applied", f"run {self._request.run_id} is in this table already")
        loading = self._loading
        table = native(outputs)
        try:
            fitted = fit_rows(table, loading.fits, self._request.key if self._request.mode == "upsert" else ())
            bad = isolate(
                fitted.table.num_rows,
                lambda start, stop: self._attempt(loading, fitted.table.slice(start, stop - start)),
            )
        except psycopg.Error as error:
            raise explain(error, f"writing batch {batch_id}") from error
        refused = [Refused(fitted.place(row), why.code, why.message, why.field, why.answer) for row, why in bad]
        refused = sorted(refused + fitted.refused, key=lambda one: one.row)
        self._batches[batch_id] = table.num_rows - len(refused)
        return refused

    def commit(self, positions: str = "{}") -> None:
        """Make rows and proof visible together. A broken connection leaves it open; ``applied`` tells next time."""
        try:
            if self._replacement is not None:
                self._replacement.finish()
            if self._proof is not None:
                self._proof.record(self._request, self._batches, positions)
        except psycopg.Error as error:
            raise explain(error, "closing the delivery") from error
        try:
            run(self._server, "COMMIT")
        except psycopg.Error as error:
            if error.sqlstate is None or self._server.broken:
                raise RetriableError(
                    "postgres.commit_unknown",
                    "the connection broke while the server was committing; whether it has is read at the next try",
                ) from error
            raise explain(error, "committing the delivery") from error

    def close(self) -> None:
        """Roll back what is not committed."""
        self._server.close()

    def _attempt(self, loading: Loading, piece: pa.Table) -> Failure | None:
        run(self._server, "SAVEPOINT dragoman")
        try:
            loading.load(piece)
        except psycopg.Error as error:
            if self._server.broken or not (error.sqlstate or "").startswith(_DATA):
                raise
            run(self._server, "ROLLBACK TO SAVEPOINT dragoman")
            run(self._server, "RELEASE SAVEPOINT dragoman")
            return _failure(error)
        run(self._server, "RELEASE SAVEPOINT dragoman")
        return None

    def _open_table(self, name: str) -> None:
        request, server = self._request, self._server
        table = read_table(server, name)
        if table is None:
            if not request.create:
                raise FatalError(
                    "postgres.no_table",
                    f"table {name} does not exist and create: is false",
                    next_step="create the table, or write create: true",
                )
            schema, short = split_table(name)
            run(server, create_table(quote_table(schema, short), list(request.schema), request.key))
            table = read_table(server, name)
            if table is None:
                raise FatalError("postgres.no_table", f"table {name} was made and is not on the search path")
        check_columns("postgres", str(table), list(request.schema), list(table.columns))
        check_needed("postgres", str(table), list(request.schema), table.needed)
        fits = plan(list(request.schema), table)
        if request.mode == "upsert":
            _check_key(table, request.key)
            self._loading = Upsert(server, table, fits, request.key)
        elif request.mode == "replace":
            self._replacement = Replacement(server, table, request.integration)
            self._loading = Append(server, self._replacement.target, fits)
        else:
            self._loading = Append(server, table.quoted, fits)

    def _prepare_proof(self, home: str) -> DeliveryTable | None:
        """The delivery table, made in a transaction of its own so that first runs do not wait for each other."""
        proof = _delivery_table(self._server, home)
        try:
            if not run(self._server, "SELECT to_regclass(%s) IS NOT NULL", (home,))[0][0]:
                proof.create()
            allowed = run(self._server, "SELECT has_table_privilege(%s, 'SELECT, INSERT, UPDATE')", (home,))[0][0]
        except psycopg.Error as error:
            if error.sqlstate in _EXISTS:
                return proof
            if error.sqlstate != "42501":
                raise
            allowed = False
        if allowed:
            return proof
        schema = home.rpartition(".")[0]
        grant = f"GRANT CREATE ON SCHEMA {schema} TO {run(self._server, 'SELECT quote_ident(current_user)')[0][0]}"
        if self._request.mode == "append":
            raise FatalError(
                "postgres.no_proof",
                f"the role may not create or write {home}; without it an append could double after a crash",
                next_step=f"{grant}; or name a schema of its own by delivery_schema:",
            )
        _LOG.warning(
            "the role may not write %s: %s falls to 'the same final state after retries' (%s gives back the proof)",
            home,
            self._request.mode,
            grant,
        )
        return None


def _delivery_home(server: psycopg.Connection[Any], table: str, schema: str) -> str:
    if not schema:
        found = read_table(server, table)
        schema = found.schema if found else split_table(table)[0] or current_schema(server)
    return quote_table(schema, NAME)


def _delivery_table(server: psycopg.Connection[Any], home: str) -> DeliveryTable:
    return DeliveryTable(
        lambda text, values: run(server, text, values),
        home,
        mark="%s",
        lock=" FOR UPDATE",
    )


def _check_key(table: Table, key: tuple[str, ...]) -> None:
    check_columns("postgres", str(table), [pa.field(name, pa.null()) for name in key], list(table.columns))
    if frozenset(key) not in table.keys:
        columns = ", ".join(f'"{name}"' for name in key)
        raise FatalError(
            "postgres.no_unique_key",
            f"table {table} has no unique index on exactly ({columns}), which an upsert needs",
            next_step=f"CREATE UNIQUE INDEX ON {table.quoted} ({columns})",
        )


def _failure(error: psycopg.Error) -> Failure:
    said = error.diag
    message = said.message_primary or str(error)
    code = "text.nul" if error.sqlstate == "22021" and "0x00" in message else f"postgres.{error.sqlstate}"
    answer = " ".join(part for part in (error.sqlstate, said.message_detail) if part)
    field = said.column_name or ""
    if not field and said.context:
        _, _, rest = said.context.partition(", column ")
        field = rest.splitlines()[0].partition(":")[0].strip() if rest else ""
    return Failure(code, message, field, answer, line_of(error))
