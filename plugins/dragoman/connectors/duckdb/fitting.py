"""Which outputs fit which DuckDB columns, and the conditions under which a row may go in.

An error ends a DuckDB transaction, and there are no savepoints; so bad rows are found by questions that cannot fail
(``TRY_CAST``, ``TRY``) before anything is inserted. A value fits if it is the same after the way to its column's type
and back; DuckDB's casts would round it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors.duckdb.catalog import Table
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import FieldType, type_of

__all__ = ["Question", "column_type", "questions", "value_of"]

Question = tuple[str, str, str, str]
"""A condition that is true for a bad row, and the code, the field and the sentence of its refusal."""

_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "json": "JSON",
    "binary": "BLOB",
}
_INTEGERS = frozenset(
    ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
)
_MOMENTS = frozenset(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"))
_TYPED = (
    _INTEGERS
    | _MOMENTS
    | {"DECIMAL", "FLOAT", "DOUBLE", "BOOLEAN", "DATE", "TIME", "BLOB", "BIT"}
    | {
        "TIMESTAMP WITH TIME ZONE",
        "TIME WITH TIME ZONE",
        "INTERVAL",
    }
)
_TAKES: dict[str, frozenset[str]] = {
    "integer": _INTEGERS | {"DECIMAL", "DOUBLE", "FLOAT", "VARCHAR"},
    "decimal": _INTEGERS | {"DECIMAL", "VARCHAR"},
    "double": frozenset(("DOUBLE", "FLOAT")),
    "boolean": frozenset(("BOOLEAN",)),
    "date": _MOMENTS | {"DATE", "VARCHAR"},
    "time": frozenset(("TIME",)),
    "timestamp": _MOMENTS,
    "timestamptz": frozenset(("TIMESTAMP WITH TIME ZONE",)),
    "binary": frozenset(("BLOB",)),
}


def column_type(kind: FieldType) -> str:
    """DuckDB's type for one of the language's."""
    return f"DECIMAL({kind.precision},{kind.scale})" if kind.name == "decimal" else _TYPES[kind.name]


def value_of(name: str, table: Table) -> str:
    """The expression that brings an output ``p.name`` to its column's type."""
    return f"TRY_CAST(p.{quote(name)} AS {table.columns[name]})"


def questions(outputs: Sequence[pa.Field], table: Table) -> list[Question]:
    """What to ask of each row ``p`` before it goes in; the outputs all have a column.

    Raises:
        FatalError: ``duckdb.type_mismatch``, for all columns at once.
    """
    asked: list[Question] = []
    wrong, lines = [], []
    names = [field.name for field in outputs]
    for field in outputs:
        kind, wanted = type_of(field), table.columns[field.name]
        family = wanted.partition("(")[0]
        textual = kind.name in {"text", "json"}
        if (family in _TYPED) if textual else (family not in _TAKES[kind.name]):
            wrong.append(f"{field.name!r} is {kind}, its column is {wanted}")
            lines.append(f"{field.name}: {wanted.lower()}")
            continue
        if wanted == column_type(kind) and kind.name != "json":
            continue
        source, there = f"p.{quote(field.name)}", value_of(field.name, table)
        back = f"{there} IS NULL"
        if not textual:
            back = f"TRY_CAST({there} AS {column_type(kind)}) IS DISTINCT FROM {source}"
        if wanted != "VARCHAR":
            condition = f"{source} IS NOT NULL AND {back}"
            said = f"the value of {field.name!r} is not exact as {wanted}"
            asked.append((condition, "duckdb.conversion", field.name, said))
    if wrong:
        raise FatalError(
            "duckdb.type_mismatch",
            f"outputs do not fit the columns of {table.name}: {'; '.join(wrong)}",
            next_step="declare under types: of the source, or as type: of the field: " + ", ".join(lines),
        )
    asked += [
        (f"p.{quote(name)} IS NULL", "duckdb.not_null", name, f"{name!r} is NULL and its column is NOT NULL")
        for name in table.required
        if name in names
    ]
    for reference in table.references:
        if all(name in names for name in reference.columns):
            pairs = [
                f"r.{quote(there)} = {value_of(here, table)}"
                for here, there in zip(reference.columns, reference.referenced, strict=True)
            ]
            present = " AND ".join(f"p.{quote(name)} IS NOT NULL" for name in reference.columns)
            asked.append(
                (
                    f"{present} AND NOT EXISTS (SELECT 1 FROM {reference.table} r WHERE {' AND '.join(pairs)})",
                    "duckdb.foreign_key",
                    reference.columns[0],
                    f"({', '.join(reference.columns)}) is not present in table {reference.table}",
                )
            )
    return asked
