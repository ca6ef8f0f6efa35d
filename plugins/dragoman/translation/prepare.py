"""From a staged batch to the table that the SELECT reads: one column ``w_N`` per value that the map uses.

``_n`` numbers the rows of that table; ``_row`` is the record's row in the batch, ``_line`` the element's place in
its list (0 without ``each``).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.errors import FatalError
from dragoman.translation.inputs import ELEMENT, RECORD, Input
from dragoman.translation.projection import Exploded, project, take_path

__all__ = ["counting", "inexact", "prepare", "values_of"]

Column: TypeAlias = "pa.Array | pa.ChunkedArray"
_DOUBLE_DIGITS = 15


@lru_cache(maxsize=4)
def counting(rows: int) -> pa.Array:
    """The numbers from 0 on, as int64."""
    return pa.array(range(rows), pa.int64())


def prepare(table: pa.Table, inputs: Iterable[Input], exploded: Exploded | None = None) -> pa.Table:
    """The table of the inputs of record and element; those of lookups are joined later."""
    own = [one for one in inputs if one.origin in (RECORD, ELEMENT)]
    columns = values_of(table, [one for one in own if one.origin == RECORD])
    if exploded is None:
        rows, lines = counting(table.num_rows), pa.repeat(pa.scalar(0, pa.int64()), table.num_rows)
    else:
        rows, lines = exploded.parents, exploded.lines
        columns = {number: column.take(rows) for number, column in columns.items()}
        element = pa.table({"": exploded.elements})
        columns |= values_of(element, [one for one in own if one.origin == ELEMENT])
    names = ["_n", "_row", "_line", *(f"w_{number}" for number in columns)]
    return pa.table([counting(len(rows)), rows, lines, *columns.values()], names=names)


def values_of(table: pa.Table, inputs: Iterable[Input]) -> dict[int, Column]:
    """Each input's column: words as strings, native values as they are; an absent column is null throughout."""
    columns: dict[int, Column] = {}
    paths: dict[str, list[Input]] = {}
    present = set(table.column_names)
    for one in inputs:
        if one.column not in present:
            columns[one.number] = pa.nulls(table.num_rows, _plain_type(one.arrow))
        elif one.words == "json" and one.path:
            paths.setdefault(one.column, []).append(one)
        else:
            columns[one.number] = _native(take_path(table.column(one.column), one.path if not one.words else ()), one)
    for name, members in paths.items():
        found = project(table.column(name), [one.path for one in members])
        columns |= {one.number: found[one.path] for one in members}
    return dict(sorted(columns.items()))


def _plain_type(arrow: pa.DataType) -> pa.DataType:
    """The type that DuckDB reads for one that it does not."""
    if pa.types.is_null(arrow):
        return pa.string()
    if pa.types.is_dictionary(arrow):
        return arrow.value_type
    if pa.types.is_date64(arrow):
        return pa.date32()
    if pa.types.is_float16(arrow):
        return pa.float32()
    if pa.types.is_decimal256(arrow):
        return pa.decimal128(min(arrow.precision, 38), arrow.scale)
    return arrow


def _native(column: Column, one: Input) -> Column:
    wanted = _plain_type(one.arrow)
    if column.type == wanted:
        return column
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid as error:
        raise FatalError(
            "schema.changed",
            f"{one.said} is {column.type} in this batch and was {one.arrow} before, "
            f"and its values do not all fit: {error}",
            next_step="declare its type (types:), so that each value is judged alone",
        ) from error


def inexact(words: Column) -> pa.Array | pa.ChunkedArray:
    """Which JSON numbers a double cannot give back: its shortest form is another number than the words say."""
    long = pc.or_(pc.greater(pc.binary_length(words), _DOUBLE_DIGITS + 1), pc.match_substring_regex(words, "[eE]"))
    suspects = pc.indices_nonzero(pc.fill_null(long, False)).to_pylist()
    if not suspects:
        return pa.repeat(pa.scalar(False), len(words))
    wrong = {row for row in suspects if _loses(words[row].as_py())}
    return pa.array([row in wrong for row in range(len(words))], pa.bool_())


def _loses(word: str) -> bool:
    try:
        return Decimal(word) != Decimal(repr(float(word)))
    except (ArithmeticError, ValueError):
        return False
