"""The questions that depend on what the table holds now: CHECK constraints, unique keys, rows that others refer to."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.upserts import KEPT
from dragoman.connectors.duckdb.catalog import Table
from dragoman.connectors.duckdb.fitting import Question, value_of
from dragoman.core.ports import DeliverRequest

__all__ = ["checks", "still_referenced", "unique"]


def checks(target: Table, request: DeliverRequest) -> list[Question]:
    """CHECK constraints, over the values as the columns will hold them; a column that is left out is NULL."""
    found: list[Question] = []
    names = request.schema.names
    for check in target.checks:
        values = ", ".join(
            f"{value_of(name, target) if name in names else 'NULL'} AS {quote(name)}" for name in target.columns
        )
        condition = f"EXISTS (SELECT 1 FROM (SELECT {values}) AS made WHERE TRY(({check})) IS FALSE)"
        found.append((condition, "duckdb.check", "", f"the row breaks CHECK {check}"))
    return found


def unique(target: Table, request: DeliverRequest, row: str) -> list[Question]:
    """Keys that the table holds already, or that an earlier row of the batch brings. ``row`` holds their order."""
    found: list[Question] = []
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
        repeated = f"{present} QUALIFY row_number() OVER (PARTITION BY {parts} ORDER BY p.{quote(row)}) > 1"
        found.append((repeated, code, columns[0], said))
    return found


def still_referenced(target: Table, key: Sequence[str]) -> list[Question]:
    """Rows that cannot be removed, for a row of another table refers to them."""
    found: list[Question] = []
    same = " AND ".join(f"{KEPT}.{quote(name)} = {value_of(name, target)}" for name in key)
    for other in target.referenced_by if key else ():
        pairs = " AND ".join(
            f"o.{quote(there)} = {KEPT}.{quote(here)}"
            for there, here in zip(other.columns, other.referenced, strict=True)
        )
        condition = f"EXISTS (SELECT 1 FROM {target.quoted} AS {KEPT} JOIN {other.table} AS o ON {pairs} WHERE {same})"
        said = f"({', '.join(other.columns)}) of table {other.table} still refers to it"
        found.append((condition, "duckdb.foreign_key", key[0], said))
    return found
