"""Fitting outputs to SQLite's columns: values as Python binds them, nothing rounded on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dragoman.connectors.sqlite.catalog import Table
from dragoman.core.batch import Refused
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import FieldType, type_of

__all__ = ["DECLARED", "Fit", "fit_column", "plan"]

DECLARED = {
    "text": "TEXT",
    "integer": "INTEGER",
    "decimal": "TEXT",
    "double": "REAL",
    "boolean": "BOOLEAN",
    "date": "TEXT",
    "time": "TEXT",
    "timestamp": "TEXT",
    "timestamptz": "TEXT",
    "json": "TEXT",
    "binary": "BLOB",
}
_NUMERIC = ("INTEGER", "NUMERIC", "REAL")
_NUMBERS = ("integer", "decimal", "double", "boolean")
_EXACT_DOUBLE = 2**53


@dataclass(frozen=True)
class Fit:
    """How one output is bound. ``exact``: whether a value survives the column's affinity, None where all do."""

    name: str
    kind: FieldType
    exact: Callable[[Any], bool] | None = None
    words: str = ""


def plan(outputs: Sequence[pa.Field], table: Table) -> list[Fit]:
    """One fit per output; the outputs all have a column.

    Raises:
        FatalError: ``sqlite.type_mismatch``, for all columns at once, or ``sqlite.generated_column``.
    """
    fits, wrong = [], []
    for field in outputs:
        kind, column = type_of(field), table.columns[field.name]
        if column.generated:
            raise FatalError(
                "sqlite.generated_column",
                f"column {field.name!r} of {table.name} is computed by SQLite and takes no value",
                next_step=f"leave {field.name!r} out of the translation",
            )
        affinity = column.affinity
        textual = kind.name not in {*_NUMBERS, "binary"}
        iso_text = kind.name in {"date", "time", "timestamp", "timestamptz"}
        if (textual and affinity in _NUMERIC and not (iso_text and affinity == "NUMERIC")) or (
            kind.name == "double" and affinity == "TEXT"
        ):
            wrong.append(f"{field.name!r} is {kind}, its column is {column.declared}")
        fits.append(_fit(field.name, kind, affinity, column.declared))
    if wrong:
        raise FatalError(
            "sqlite.type_mismatch",
            f"outputs do not fit the columns of {table.name}: {'; '.join(wrong)}",
            next_step="declare these columns under types: of the source, or give the fields a type:",
        )
    return fits


def fit_column(fit: Fit, column: pa.ChunkedArray, refused: dict[int, Refused]) -> list[Any]:
    """The values to bind; rows that would change are added to ``refused``."""
    values = _bound(fit.kind, column)
    if fit.exact is not None:
        for row, value in enumerate(values):
            if value is not None and not fit.exact(value):
                said = f"the value of {fit.name!r} {fit.words}"
                refused.setdefault(row, Refused(row, "sqlite.inexact", said, fit.name))
    return values


def _bound(kind: FieldType, column: pa.ChunkedArray) -> list[Any]:
    """Dates and times as ISO text (UTC with Z), decimals as their digits: all years and all digits keep."""
    if kind.name == "decimal":
        return [None if value is None else f"{value:f}" for value in column.to_pylist()]
    if kind.name == "timestamptz":
        texts = column.cast(pa.timestamp("us")).cast(pa.string()).to_pylist()
        return [None if text is None else text + "Z" for text in texts]
    if kind.name in {"date", "time", "timestamp"}:
        return list(column.cast(pa.string()).to_pylist())
    return list(column.to_pylist())


def _fit(name: str, kind: FieldType, affinity: str, declared: str) -> Fit:
    if kind.name == "double":
        return Fit(name, kind, lambda value: not math.isnan(value), "is NaN, which SQLite would make NULL")
    if kind.name == "decimal" and affinity in _NUMERIC:
        return Fit(name, kind, _survives, f"is not exact in a column of type {declared}; declare that column TEXT")
    if kind.name == "integer" and affinity == "REAL":
        return Fit(name, kind, lambda value: abs(value) <= _EXACT_DOUBLE, f"is not exact in {declared}")
    return Fit(name, kind)


def _survives(text: str) -> bool:
    if "." not in text and -(2**63) <= int(text) < 2**63:
        return True
    return Decimal(repr(float(text))) == Decimal(text)
