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


class ProofPlace:
    """In the schema of ``table``, or in ``schema`` where the delivery names one."""

    def __init__(self, table: str, schema: str) -> None:
        self._table = table
        self._schema = schema

    def existing(self, server: psycopg.Connection[Any]) -> DeliveryTable | None:
        """The table of proofs, None where there is none."""
        home = self._home(server)
        return _proof(server, home) if _is_there(server, home) else None

    def made(self, server: psycopg.Connection[Any], request: DeliverRequest) -> DeliveryTable | None:
        """The table of proofs, made where it is missing; None where the role may not make or write it.

        Raises:
            FatalError: ``postgres.no_proof``: an append could double without it.
        """
        home = self._home(server)
        proof = _proof(server, home)
        try:
            if not _is_there(server, home):
                proof.create()
            allowed = run(server, "SELECT has_table_privilege(%s, 'SELECT, INSERT, UPDATE')", (home,))[0][0]
        except psycopg.Error as error:
            if error.sqlstate in _EXISTS:
                return proof
            if error.sqlstate != "42501":
                raise
            allowed = False
        if allowed:
            return proof
        schema = home.rpartition(".")[0]
        grant = f"GRANT CREATE ON SCHEMA {schema} TO {run(server, 'SELECT quote_ident(current_user)')[0][0]}"
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
