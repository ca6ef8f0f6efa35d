"""Output values as text, exactly: the words that text formats write.

Decimals keep all digits of their scale and have no exponent; dates and times are ISO 8601, with ``T`` and, where they
have an offset, ``+00:00``; booleans are ``true`` and ``false``; doubles are the shortest text that gives the same
double again; binary is hex or base64.
"""

from __future__ import annotations

import base64

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["words"]


def words(column: pa.ChunkedArray, binary: str = "hex") -> pa.ChunkedArray:
    """The column as text; NULL stays NULL. ``binary`` is ``hex`` or ``base64``."""
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        encode = base64.b64encode if binary == "base64" else bytes.hex
        return pa.chunked_array(
            [[_ascii(encode(value)) if value is not None else None for value in column.to_pylist()]], pa.string()
        )
    if pa.types.is_timestamp(kind):
        text = pc.cast(pc.cast(column, pa.timestamp(kind.unit)), pa.string())
        text = pc.replace_substring(text, " ", "T", max_replacements=1)
        text = _without_zeros(text)
        return pc.binary_join_element_wise(text, "+00:00", "") if kind.tz else text
    if pa.types.is_time(kind):
        return _without_zeros(pc.cast(column, pa.string()))
    return pc.cast(column, pa.string())


def _without_zeros(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(text, r"\.0+$", "")


def _ascii(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("ascii")
