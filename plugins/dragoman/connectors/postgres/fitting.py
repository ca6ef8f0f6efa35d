"""Fitting outputs to the table's column types: only where no value can change on the way.

PostgreSQL rounds a numeric to its column's scale and a timestamp to its column's fraction, and cuts surplus blanks
from a varchar, all without a word (documentation, chapter 8, "Data Types"). So each value that would change is
refused here, under the SQLSTATE that fits; what the server itself refuses is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.connectors.postgres.catalog import Column, Table
from dragoman.core.batch import Refused
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import FieldType, type_of

__all__ = ["Fit", "Fitted", "fit_rows", "plan"]

_Check = Callable[[pa.ChunkedArray], pa.ChunkedArray]
_TEXTUAL = frozenset({"text", "varchar", "bpchar", "citext", "json", "xml"})
_TYPED = frozenset(
    [
        "int2",
        "int4",
        "int8",
        "numeric",
        "float4",
        "float8",
        "bool",
        "date",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "bytea",
        "money",
        "bit",
        "varbit",
        "oid",
    ]
)
_INTEGERS = {"int2": (pa.int16(), 15), "int4": (pa.int32(), 31), "int8": (pa.int64(), 63)}
_YAML_TYPE = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "float4": "double",
    "float8": "double",
    "bool": "boolean",
    "bytea": "binary",
}
_FARTHEST = 9_200_000_000_000_000_000
_EXACT_DOUBLE = 2**53


@dataclass(frozen=True)
class Fit:
    """How one output reaches its column.

    ``arrow``: the type to send. ``check``: true where a value may go. ``as_text``: the server reads the text itself.
    """

    name: str
    arrow: pa.DataType
    checks: tuple[tuple[_Check, str, str], ...] = ()
    jsonb: bool = False
    as_text: bool = False


@dataclass(frozen=True)
class Fitted:
    """``table``: what may be sent. ``rows``: each row's place in the batch, None where all are there."""

    table: pa.Table
    rows: list[int] | None
    refused: list[Refused]

    def place(self, row: int) -> int:
        """Where a row of ``table`` stands in the batch."""
        return row if self.rows is None else self.rows[row]


def plan(outputs: Sequence[pa.Field], table: Table) -> list[Fit]:
    """One fit per output; the outputs all have a column.

    Raises:
        FatalError: ``postgres.type_mismatch``, for all columns at once, with the types to write.
        FatalError: ``postgres.generated_column``: the server computes this column by itself.
    """
    fits, wrong, lines = [], [], []
    for field in outputs:
        kind, column = type_of(field), table.columns[field.name]
        if column.generated:
            raise FatalError(
                "postgres.generated_column",
                f"column {field.name!r} of {table} is computed by the server and takes no value",
                next_step=f"leave {field.name!r} out of the translation",
            )
        fit = _fit(field, kind, column)
        if fit is None:
            wrong.append(f"{field.name!r} is {kind}, its column is {column.shown}")
            lines.append(f"{field.name}: {_yaml_type(column)}")
        else:
            fits.append(fit)
    if wrong:
        raise FatalError(
            "postgres.type_mismatch",
            f"outputs do not fit the columns of {table}: {'; '.join(wrong)}",
            next_step="declare under types: of the source, or as type: of the field: " + ", ".join(lines),
        )
    return fits


def fit_rows(table: pa.Table, fits: Sequence[Fit], refused: dict[int, Refused]) -> Fitted:
    """Convert a native table; rows with a value that would change are refused, as those that are so already."""
    for fit in fits:
        column = table.column(fit.name)
        for check, state, words in fit.checks:
            passed = check(column)
            if pc.all(passed).as_py() is False:
                for row in _rows(pc.invert(passed)):
                    said = f"the value of {fit.name!r} {words}"
                    refused.setdefault(row, Refused(row, f"postgres.{state}", said, fit.name, state))
    rows = None
    if refused:
        rows = [row for row in range(table.num_rows) if row not in refused]
        table = table.take(pa.array(rows, pa.int64()))
    sent = pa.table(
        [table.column(fit.name).cast(fit.arrow, safe=False) for fit in fits], names=[fit.name for fit in fits]
    )
    return Fitted(sent, rows, [refused[row] for row in sorted(refused)])


def _rows(mask: pa.ChunkedArray) -> list[int]:
    found = pc.indices_nonzero(mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask)
    return [int(row) for row in found.to_pylist()]


def _yaml_type(column: Column) -> str:
    if column.base == "numeric":
        precision, scale = column.digits or (38, 10)
        return f"decimal({min(precision, 38)},{max(scale, 0)})"
    return _YAML_TYPE.get(column.base, column.base if column.base in _TYPED else "text")


def _fit(field: pa.Field, kind: FieldType, column: Column) -> Fit | None:
    name, base = field.name, column.base
    if kind.name in {"text", "json"}:
        return _fit_text(name, column)
    if base in _TEXTUAL and kind.name in {"integer", "decimal", "date"}:
        return _fit_text(name, column)
    if kind.name == "integer":
        return _fit_integer(name, base)
    if kind.name == "decimal":
        return _fit_decimal(name, kind, column)
    if kind.name == "double":
        if base == "float8":
            return Fit(name, pa.float64())
        return Fit(name, pa.float32(), ((_single, "22003", "is not exact in real"),)) if base == "float4" else None
    if kind.name in {"time", "timestamp", "timestamptz"}:
        return Fit(name, kind.arrow, tuple(_moment_checks(kind, column))) if base == kind.name else None
    if kind.name == "date":
        return {"date": Fit(name, pa.date32()), "timestamp": Fit(name, pa.timestamp("us"))}.get(base)
    return Fit(name, kind.arrow) if base == {"boolean": "bool", "binary": "bytea"}[kind.name] else None


def _fit_text(name: str, column: Column) -> Fit | None:
    if column.base in _TEXTUAL or column.kind == "e":
        if column.length < 0:
            return Fit(name, pa.string())
        limit = column.length
        check = (lambda values: pc.less_equal(pc.utf8_length(values.cast(pa.string())), limit), "22001")
        return Fit(name, pa.string(), ((*check, f"is longer than {column.shown}"),))
    if column.base == "jsonb":
        return Fit(name, pa.string(), jsonb=True)
    return None if column.base in _TYPED else Fit(name, pa.string(), as_text=True)


def _fit_integer(name: str, base: str) -> Fit | None:
    if base in _INTEGERS:
        arrow, bits = _INTEGERS[base]
        checks = () if bits == 63 else ((_between(-(2**bits), 2**bits - 1), "22003", f"is out of range for {base}"),)
        return Fit(name, arrow, checks)
    if base == "numeric":
        return Fit(name, pa.decimal128(19, 0))
    if base == "float8":
        check = _between(-_EXACT_DOUBLE, _EXACT_DOUBLE)
        return Fit(name, pa.float64(), ((check, "22003", "is not exact in double precision"),))
    return None


def _fit_decimal(name: str, kind: FieldType, column: Column) -> Fit | None:
    if column.base == "numeric":
        scale = column.digits[1] if column.digits else kind.scale
        rounded = ((_whole(scale), "22003", f"has more decimals than {column.shown} keeps"),)
        return Fit(name, kind.arrow, rounded if scale < kind.scale else ())
    if column.base in _INTEGERS:
        arrow, bits = _INTEGERS[column.base]
        checks: list[tuple[_Check, str, str]] = []
        if kind.scale:
            checks.append((_whole(0), "22003", f"has decimals, its column is {column.shown}"))
        if kind.precision - kind.scale > 4:
            checks.append((_fits_integer(bits), "22003", f"is out of range for {column.shown}"))
        return Fit(name, arrow, tuple(checks))
    return None


def _moment_checks(kind: FieldType, column: Column) -> list[tuple[_Check, str, str]]:
    checks: list[tuple[_Check, str, str]] = []
    if kind.name != "time":
        near = _between(-_FARTHEST, _FARTHEST)
        checks.append((lambda values: near(values.cast(pa.int64())), "22008", "is infinite or out of range"))
    if column.fraction < 6:
        step = 10 ** (6 - column.fraction)

        def exact(values: pa.ChunkedArray) -> pa.ChunkedArray:
            ticks = values.cast(pa.int64())
            return pc.equal(pc.multiply(pc.divide(ticks, step), step), ticks)

        checks.append((exact, "22008", f"has a finer fraction of a second than {column.shown} keeps"))
    return checks


def _between(low: int, high: int) -> _Check:
    return lambda values: pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))


def _whole(scale: int) -> _Check:
    return lambda values: pc.equal(pc.round(values, scale, "towards_zero"), values)


def _fits_integer(bits: int) -> _Check:
    def check(values: pa.ChunkedArray) -> pa.ChunkedArray:
        kind = values.type
        wide = pc.round(values, 0, "towards_zero").cast(pa.decimal256(kind.precision, kind.scale))
        limits = [pa.scalar(str(edge)).cast(pa.decimal256(38, 0)) for edge in (-(2**bits), 2**bits - 1)]
        return pc.and_(pc.greater_equal(wide, limits[0]), pc.less_equal(wide, limits[1]))

    return check


def _single(values: pa.ChunkedArray) -> pa.ChunkedArray:
    back = values.cast(pa.float32(), safe=False).cast(pa.float64())
    return pc.or_(pc.equal(back, values), pc.is_nan(values))
