"""The kind of a column of raw JSON tokens, as its values show it: JSON declares no types.

Kinds: ``integer`` (all whole and within 64 bit), ``double`` (numbers), ``text`` (strings), ``boolean``, ``json``
(objects and lists), and ``""`` where only nulls were seen. Of a mixture the kind is ``json:`` and that of most of its
values (``json:double``; a tie goes to text): passed on unchanged it stays JSON, while expressions compute with what
most values are and the others are rejected alone. Kinds are observed once per run and then frozen, so that the same
batch always gives the same outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.expressions import Parsed, parse_many
from dragoman.core.fieldtype import declared_type, words_of
from dragoman.core.flow import TranslationSpec
from dragoman.translation.projection import MARK, explode, project

__all__ = ["Tallies", "add_all", "kind_of", "kinds_of", "observe"]

Tallies = dict[str, Counter[str]]
"""How many values of each kind were seen, by column or path."""

_INT64 = 1 << 63
_SAFE_DIGITS = 18
_FIRST = {'"': "text", "t": "boolean", "f": "boolean", "{": "json", "[": "json"}


def kind_of(tokens: pa.Array | pa.ChunkedArray) -> str:
    """The kind that fits every token, or that of a mixture."""
    return _named(_tally(tokens))


def kinds_of(tallies: Mapping[str, Counter[str]]) -> dict[str, str]:
    """The kind of each column or path."""
    return {name: _named(tally) for name, tally in tallies.items()}


def add_all(tallies: Tallies, more: Mapping[str, Counter[str]]) -> None:
    """Put another batch's observation to the first."""
    for name, tally in more.items():
        tallies.setdefault(name, Counter()).update(tally)


def _tally(tokens: pa.Array | pa.ChunkedArray) -> Counter[str]:
    """How many tokens are of each kind; numbers count as what fits all of them, nulls and marked ones not at all."""
    tokens = pc.drop_null(tokens)
    tokens = tokens.filter(pc.invert(pc.starts_with(tokens, MARK)))
    tally: Counter[str] = Counter()
    first = pc.utf8_slice_codeunits(tokens, 0, 1)
    for one in pc.value_counts(first).to_pylist():
        tally[_FIRST.get(one["values"], "number")] += one["counts"]
    if number := tally.pop("number", 0):
        if len(tally):
            tokens = tokens.filter(pc.invert(pc.is_in(first, pa.array(list(_FIRST)))))
        tally[_number_kind(tokens)] = number
    return tally


def _number_kind(tokens: pa.Array | pa.ChunkedArray) -> str:
    if pc.any(pc.match_substring_regex(tokens, "[.eE]")).as_py():
        return "double"
    if pc.max(pc.binary_length(tokens)).as_py() > _SAFE_DIGITS and not all(
        -_INT64 <= int(word) < _INT64 for word in tokens.to_pylist()
    ):
        return "double"
    return "integer"


def _named(tally: Counter[str]) -> str:
    number = "double" if tally["double"] else "integer"
    counts = {
        "text": tally["text"],
        number: tally["integer"] + tally["double"],
        "boolean": tally["boolean"],
        "json": tally["json"],
    }
    seen = [kind for kind, count in counts.items() if count]
    if len(seen) < 2:
        return seen[0] if seen else ""
    most = max(seen, key=lambda kind: counts[kind])
    return "json" if most == "json" else f"json:{most}"


def observe(table: pa.Table, specs: Iterable[TranslationSpec] = ()) -> Tallies:
    """The kinds of a staged batch's undeclared JSON columns, and of the paths into them that ``specs`` use.

    Keys are columns, dotted paths (``customer.city``) and ``[].price`` for the elements of a list.
    """
    kinds = {
        field.name: _tally(table.column(position))
        for position, field in enumerate(table.schema)
        if words_of(field) == "json" and declared_type(field) is None
    }
    if kinds:
        for spec in specs:
            add_all(kinds, _observe_paths(table, spec, set(kinds)))
    return kinds


def _observe_paths(table: pa.Table, spec: TranslationSpec, kinds: set[str]) -> Tallies:
    record, element = _paths_of(spec)
    paths: dict[str, list[tuple[str, ...]]] = {}
    for names in record:
        if names[0] in kinds and len(names) > 1:
            paths.setdefault(names[0], []).append(names[1:])
    found = {
        ".".join((column, *path)): _tally(tokens)
        for column, members in paths.items()
        for path, tokens in project(table.column(column), members).items()
    }
    at = tuple(spec.each_expression.split("."))
    if element and at[0] in kinds:
        tokens = project(table.column(at[0]), [at[1:]])[at[1:]]
        lines = explode(tokens).elements
        found |= {".".join(("[]", *path)): _tally(values) for path, values in project(lines, element).items()}
    return found


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
