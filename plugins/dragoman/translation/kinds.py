"""The kind of a column of raw JSON tokens, as its values show it: JSON declares no types.

Kinds: ``integer`` (all whole and within 64 bit), ``double`` (numbers), ``text`` (strings), ``boolean``, ``json``
(objects, lists, or a mixture), and ``""`` where only nulls were seen. They are observed once per run and then frozen,
so that the same batch always gives the same outputs.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.fieldtype import declared_type, words_of
from dragoman.translation.projection import MARK

__all__ = ["kind_of", "merge", "merge_all", "observe"]

_INT64 = 1 << 63
_SAFE_DIGITS = 18


def kind_of(tokens: pa.Array | pa.ChunkedArray) -> str:
    """The kind that fits every token."""
    tokens = pc.drop_null(tokens)
    tokens = tokens.filter(pc.invert(pc.starts_with(tokens, MARK)))
    if not len(tokens):
        return ""
    first = set(pc.unique(pc.utf8_slice_codeunits(tokens, 0, 1)).to_pylist())
    if first == {'"'}:
        return "text"
    if first <= {"t", "f"}:
        return "boolean"
    if first & set('{["tf!'):
        return "json"
    if pc.any(pc.match_substring_regex(tokens, "[.eE]")).as_py():
        return "double"
    if pc.max(pc.binary_length(tokens)).as_py() > _SAFE_DIGITS and not all(
        -_INT64 <= int(word) < _INT64 for word in tokens.to_pylist()
    ):
        return "double"
    return "integer"


def merge(one: str, other: str) -> str:
    """The kind that fits what both fit."""
    if not one or not other or one == other:
        return one or other
    return "double" if {one, other} == {"integer", "double"} else "json"


def merge_all(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Two observations as one, by column or path."""
    return {name: merge(one.get(name, ""), other.get(name, "")) for name in {**one, **other}}


def observe(table: pa.Table) -> dict[str, str]:
    """The kinds of a staged batch's undeclared JSON columns, by column."""
    return {
        field.name: kind_of(table.column(position))
        for position, field in enumerate(table.schema)
        if words_of(field) == "json" and declared_type(field) is None
    }
