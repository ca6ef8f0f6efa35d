"""PostgreSQL's columns as staged words: the text that the server prints, and the type that it declares beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors.postgres.session import explain
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import FieldType, words_field

__all__ = ["Described", "describe"]

_TYPES = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "float4": "double",
    "float8": "double",
    "bool": "boolean",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "json": "json",
    "jsonb": "json",
    "bytea": "binary",
}


@dataclass(frozen=True)
class Described:
    """One column of a table or query. ``shown`` is the full name of its type, for casts of literals."""

    name: str
    base: str
    shown: str
    declared: FieldType | None

    @property
    def expression(self) -> str:
        """What to select: booleans as ``true`` and ``false``, everything else as COPY prints it."""
        return f"{quote(self.name)}::text" if self.base == "bool" else quote(self.name)

    @property
    def field(self) -> pa.Field:
        """Its staged column."""
        return words_field(self.name, json=self.base in {"json", "jsonb"}, declared=self.declared)


def describe(server: psycopg.Connection[Any], relation: str) -> list[Described]:
    """The columns of what stands after FROM.

    The statement is prepared, and a prepared statement is one statement: a query that hides a second one ends here.

    Raises:
        FatalError: ``postgres.query`` if it is not one SELECT.
    """
    try:
        cursor = server.execute(f"SELECT * FROM {relation} LIMIT 0", prepare=True)
    except (psycopg.errors.SyntaxError, psycopg.errors.FeatureNotSupported) as error:
        said = explain(error, "reading the query").message
        raise FatalError("postgres.query", said, next_step="write one SELECT, without a semicolon") from error
    columns = cursor.description or []
    names = _type_names(server, [column.type_code for column in columns])
    found = []
    for column in columns:
        base, shown = names[column.type_code]
        word = _TYPES.get(base)
        declared = FieldType(word) if word else None
        if base == "numeric" and column.precision is not None and column.scale is not None:
            precision, scale = column.precision, column.scale
            if 0 <= scale <= precision <= 38:
                declared = FieldType("decimal", precision, scale)
        found.append(Described(column.name, base, shown, declared))
    return found


def _type_names(server: psycopg.Connection[Any], oids: Sequence[int]) -> dict[int, tuple[str, str]]:
    rows = server.execute(
        "SELECT t.oid, CASE WHEN t.typtype = 'd' THEN b.typname ELSE t.typname END::text, format_type(t.oid, NULL) "
        "FROM pg_type t LEFT JOIN pg_type b ON b.oid = t.typbasetype WHERE t.oid = ANY (%s::oid[])",
        (sorted(set(oids)),),
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}
