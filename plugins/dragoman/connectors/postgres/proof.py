"""Where the table of proofs stands in PostgreSQL, and what holds where the role may not write it."""

from __future__ import annotations

import logging
from typing import Any

import psycopg

from dragoman.connectors._sql.delivery_table import NAME, DeliveryTable
from dragoman.connectors._sql.identifiers import quote_table, split_table
from dragoman.connectors.postgres.catalog import current_schema, read_table
from dragoman.connectors.postgres.session import run
from dragoman.core.errors import FatalError
from dragoman.core.ports import DeliverRequest

__all__ = ["ProofPlace"]

_LOG = logging.getLogger(__name__)
_EXISTS = ("23505", "42P07")
_MAY_WRITE = """
SELECT bool_and(has_table_privilege(%s::regclass, of)) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS of
"""
"""One by one: of a list of privileges the function is content with any."""
_FORBIDDEN, _NO_SCHEMA = "42501", "3F000"


class ProofPlace:
    """In the schema of ``table``, or in ``schema`` where the delivery names one."""

    def __init__(self, table: str, schema: str) -> None:
        self._table = table
        self._schema = schema

    def existing(self, server: psycopg.Connection[Any]) -> DeliveryTable | None:
        """The table of proofs, None where there is none, or none that the role may read."""
        home = self._home(server)
        try:
            readable = (
                _is_there(server, home) and run(server, "SELECT has_table_privilege(%s, 'SELECT')", (home,))[0][0]
            )
        except psycopg.Error as error:
            if error.sqlstate != _FORBIDDEN:
                raise
            readable = False
        return _proof(server, home) if readable else None

    def made(self, server: psycopg.Connection[Any], request: DeliverRequest) -> DeliveryTable | None:
        """The table of proofs, made where it is missing; None where the role may not make or write it.

        Raises:
            FatalError: ``postgres.no_proof``: an append could double without it.
        """
        home = self._home(server)
        proof = _proof(server, home)
        allowed: bool | None
        try:
            if not _is_there(server, home):
                proof.create()
            allowed = run(server, _MAY_WRITE, (home,))[0][0]
        except psycopg.Error as error:
            if error.sqlstate in _EXISTS:
                return proof
            if error.sqlstate == _NO_SCHEMA and self._schema:
                raise FatalError(
                    "postgres.no_delivery_schema",
                    f"delivery_schema names {self._schema!r}, and the database has no such schema",
                    next_step=f'CREATE SCHEMA "{self._schema}", or correct the name',
                ) from error
            if error.sqlstate != _FORBIDDEN:
                raise
            allowed = None
        if allowed:
            return proof
        schema = home.rpartition(".")[0]
        role = run(server, "SELECT quote_ident(current_user)")[0][0]
        grant = f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}"
        if allowed is not None:
            grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {home} TO {role}"
        if request.mode == "append":
            raise FatalError(
                "postgres.no_proof",
                f"the role may not create or write {home}; without it an append could double after a crash",
                next_step=f"{grant}; or name a schema of its own by delivery_schema:",
            )
        _LOG.warning(
            "the role may not write %s: %s falls to 'the same final state after retries' (%s gives back the proof)",
            home,
            request.mode,
            grant,
        )
        return None

    def _home(self, server: psycopg.Connection[Any]) -> str:
        schema = self._schema
        if not schema:
            found = read_table(server, self._table)
            schema = found.schema if found else split_table(self._table)[0] or current_schema(server)
        return quote_table(schema, NAME)


def _is_there(server: psycopg.Connection[Any], home: str) -> bool:
    return bool(run(server, "SELECT to_regclass(%s) IS NOT NULL", (home,))[0][0])


def _proof(server: psycopg.Connection[Any], home: str) -> DeliveryTable:
    return DeliveryTable(lambda text, values: run(server, text, values), home, mark="%s", lock=" FOR UPDATE")
