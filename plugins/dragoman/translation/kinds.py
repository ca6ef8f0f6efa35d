"""The kind of a column of raw JSON tokens, as its values show it: JSON declares no types.

Kinds: ``integer`` (all whole and within 64 bit), ``double`` (numbers), ``text`` (strings), ``boolean``, ``json``
(objects, lists, or a mixture), and ``""`` where only nulls were seen. They are observed once per run and then frozen,
so that the same batch always gives the same outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.expressions import Parsed, parse_many
from dragoman.core.fieldtype import declared_type, words_of
from dragoman.core.flow import TranslationSpec
from dragoman.translation.projection import MARK, explode, project

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


def observe(table: pa.Table, specs: Iterable[TranslationSpec] = ()) -> dict[str, str]:
    """The kinds of a staged batch's undeclared JSON columns, and of the paths into them that ``specs`` use.

    Keys are columns, dotted paths (``customer.city``) and ``[].price`` for the elements of a list.
    """
    kinds = {
        field.name: kind_of(table.column(position))
        for position, field in enumerate(table.schema)
        if words_of(field) == "json" and declared_type(field) is None
    }
    if kinds:
        for spec in specs:
            kinds = _observe_paths(table, spec, kinds)
    return kinds


def _observe_paths(table: pa.Table, spec: TranslationSpec, kinds: dict[str, str]) -> dict[str, str]:
    record, element = _paths_of(spec)
    paths: dict[str, list[tuple[str, ...]]] = {}
    for names in record:
        if names[0] in kinds and len(names) > 1:
            paths.setdefault(names[0], []).append(names[1:])
    found = {
        ".".join((column, *path)): kind_of(tokens)
        for column, members in paths.items()
        for path, tokens in project(table.column(column), members).items()
    }
    at = tuple(spec.each_expression.split("."))
    if element and at[0] in kinds:
        tokens = project(table.column(at[0]), [at[1:]])[at[1:]]
        lines = explode(tokens).elements
        found |= {".".join(("[]", *path)): kind_of(values) for path, values in project(lines, element).items()}
    return merge_all(kinds, found)


def _paths_of(spec: TranslationSpec) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """The paths that a map uses: of records, and of the elements of ``each``."""
    texts = [spec.filter, *(one.expression for one in spec.fields or ())]
    texts += [text for lookup in spec.lookups for text in lookup.on.values()]
    record: set[tuple[str, ...]] = set()
    element: set[tuple[str, ...]] = set()
    for parsed in parse_many(text for text in texts if text).values():
        if not isinstance(parsed, Parsed):
            continue
        for ref in parsed.column_refs:
            if spec.each_alias and ref.names[0] == spec.each_alias:
                element.add(ref.names[1:])
            else:
                record.add(ref.names)
    return record, element
