r"""Output values as text, exactly: the words that text formats write.

Decimals keep all digits of their scale and have no exponent; dates and times are ISO 8601, with ``T`` and, where they
have an offset, ``+00:00``; booleans are ``true`` and ``false``; doubles are the shortest text that gives the same
double again, or ``NaN``, ``Infinity``, ``-Infinity``; binary is ``\x`` and hexadecimal digits as PostgreSQL has it, or
base64. All of them are what the casts of the translation take. A nested value is JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["portions", "values_of", "words"]

_ROWS = 65_536
_BYTES = 128 << 20
"""An Arrow text array holds 2 GB; written out, values may take several times their room."""

_JSON = msgspec.json.Encoder(decimal_format="number")


def words(column: pa.ChunkedArray, binary: str = "hex") -> pa.ChunkedArray:
    """The column as text; NULL stays NULL. ``binary`` is ``hex`` or ``base64``."""
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        if binary == "base64":
            return _each(column, lambda value: base64.b64encode(value).decode())
        return _each(column, lambda value: "\\x" + value.hex())
    if pa.types.is_nested(kind):
        return _each(column, lambda value: _text(_JSON.encode(value)))
    if pa.types.is_decimal(kind):
        return _plain(column)
    if pa.types.is_timestamp(kind):
        text = pc.cast(pc.cast(column, pa.timestamp(kind.unit)), pa.string())
        text = pc.replace_substring(text, " ", "T", max_replacements=1)
        text = _without_zeros(text)
        return pc.binary_join_element_wise(text, "+00:00", "") if kind.tz else text
    if pa.types.is_time(kind):
        return _without_zeros(pc.cast(column, pa.string()))
    if pa.types.is_floating(kind):
        return _double(column)
    return pc.cast(column, pa.string())


def _double(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = pc.cast(column, pa.string())
    if pc.all(pc.is_finite(column)).as_py() is False:
        text = pc.replace_substring(pc.replace_substring(text, "nan", "NaN"), "inf", "Infinity")
    return text


def _without_zeros(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(text, r"\.0+$", "")


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals without exponent: Arrow writes one where more than six zeros follow the point."""
    text = pc.cast(column, pa.string()).combine_chunks()
    small = pc.fill_null(pc.match_substring(text, "E"), fill_value=False)
    if pc.any(small).as_py():
        values = [format(value, "f") for value in column.combine_chunks().filter(small).to_pylist()]
        text = pc.replace_with_mask(text, small, pa.array(values, pa.string()))
    return pa.chunked_array([text])


def _each(column: pa.ChunkedArray, word: Callable[[Any], str]) -> pa.ChunkedArray:
    texts = [word(value) if value is not None else None for value in column.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8")


def portions(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """The table in pieces that can be written at once, each with its first row."""
    step = max(1, min(_ROWS, _BYTES * table.num_rows // max(table.nbytes, 1)))
    for at in range(0, table.num_rows, step):
        yield at, table.slice(at, step)


def values_of(array: pa.Array) -> memoryview:
    """The bytes of all values of a text array without NULLs, one after the other."""
    if not len(array):
        return memoryview(b"")
    offsets = memoryview(array.buffers()[1]).cast("i")
    return memoryview(array.buffers()[2])[offsets[array.offset] : offsets[array.offset + len(array)]]
