"""Making a missing table from the outputs."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from dragoman.connectors._sql.identifiers import quote, quote_all
from dragoman.core.fieldtype import FieldType, type_of

__all__ = ["column_type", "create_table"]

_TYPES = {
    "text": "text",
    "integer": "bigint",
    "double": "double precision",
    "boolean": "boolean",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "json": "jsonb",
    "binary": "bytea",
}


def column_type(kind: FieldType) -> str:
    """PostgreSQL's type for one of the language's."""
    return f"numeric({kind.precision},{kind.scale})" if kind.name == "decimal" else _TYPES[kind.name]


def create_table(name: str, outputs: Sequence[pa.Field], key: Sequence[str]) -> str:
    """The statement; ``name`` is quoted already, a key becomes the primary key."""
    lines = [f"{quote(field.name)} {column_type(type_of(field))}" for field in outputs]
    if key:
        lines.append(f"PRIMARY KEY ({quote_all(key)})")
    return f"CREATE TABLE {name} ({', '.join(lines)})"
