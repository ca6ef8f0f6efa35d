"""Records as JSON objects, exactly: decimals and integers as the number they are, JSON as it is, NULL as null.

Objects are joined by Arrow, column by column.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import Refused
from dragoman.core.fieldtype import type_of
from dragoman.formats.words import words

__all__ = ["json_objects", "unfit_rows"]

_BARE = {"integer", "decimal", "double", "boolean", "json"}


def json_objects(part: pa.Table, schema: pa.Schema, binary: str, tail: str = "") -> pa.Array:
    """One object per row as text, with the columns of ``schema``; ``binary`` is ``hex`` or ``base64``."""
    pieces: list[Any] = []
    for at, field in enumerate(schema):
        pieces.append(pa.scalar(("," if at else "{") + _quoted(field.name) + ":"))
        pieces.append(_tokens(part.column(field.name), type_of(field).name, binary))
    return pc.binary_join_element_wise(*pieces, "}" + tail, "", null_handling="replace", null_replacement="null")


def unfit_rows(part: pa.Table, schema: pa.Schema) -> dict[int, Refused]:
    """The rows that JSON cannot hold, with the reason: NaN, Infinity, and texts that are no sound JSON."""
    wrong: dict[int, Refused] = {}
    for field in schema:
        column = part.column(field.name)
        if pa.types.is_floating(field.type):
            finite = pc.fill_null(pc.is_finite(column), fill_value=True)
            if not pc.all(finite).as_py():
                for row in pc.indices_nonzero(pc.invert(finite)).to_pylist():
                    message = f"JSON has no number for {column[row].as_py()}"
                    wrong.setdefault(row, Refused(row, "json.not_finite", message, field.name))
        elif type_of(field).name == "json" and pa.types.is_string(field.type):
            for row, value in enumerate(column.to_pylist()):
                if value is not None and not _is_json(value):
                    wrong.setdefault(row, Refused(row, "json.value", "the value is not sound JSON", field.name))
    return wrong


def _tokens(column: pa.ChunkedArray, kind: str, binary: str) -> pa.Array:
    """A JSON token for each value; NULL stays NULL."""
    text = words(column, binary).combine_chunks()
    if kind == "json":  # line ends between tokens would end the record; those within texts are escaped
        return pc.replace_substring_regex(text, r"[\r\n]", " ")
    if kind in _BARE:
        return text
    if kind == "binary":
        text = pc.replace_substring(text, "\\", "\\\\")
    if kind == "text":
        special = pc.match_substring_regex(text, r'["\\\x00-\x1f]')
        special = pc.fill_null(special, fill_value=False)
        if pc.any(special).as_py():
            inner = [_quoted(value)[1:-1] for value in pc.filter(text, special).to_pylist()]
            text = pc.replace_with_mask(text, special, pa.array(inner, pa.string()))
    return pc.binary_join_element_wise('"', text, '"', "")


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
