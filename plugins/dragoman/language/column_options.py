"""Columns that a delivery's options name, held against what the translation makes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from dragoman.core.flow import DeliverySpec
from dragoman.core.manifest import Option
from dragoman.language.context import Context, Place
from dragoman.language.words import nearest, shown

__all__ = ["check_column_options"]

_PLACEHOLDER = re.compile(r"\{([^{}/]+)\}")


def check_column_options(context: Context, spec: DeliverySpec, path: Place, known: Collection[str] | None) -> None:
    """Tell what the translation does not make; ``known`` are its fields, None where they are not known yet."""
    manifest = context.registry.connectors.get(spec.connector)
    if known is None or manifest is None or manifest.destination is None:
        return
    for place, column in _columns(manifest.destination.options, spec.options, ()):
        if column not in known:
            found = f"{shown(column)} in {place[0]}, which the translation does not make"
            expected = "one of " + ", ".join(sorted(known))
            context.add(_written(context, (*path, *place)), "option.no_field", found, expected, nearest(column, known))


def _columns(declared: Mapping[str, Option], given: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, str]]:
    for name, option in declared.items():
        value = given.get(name)
        if isinstance(value, str) and option.names == "column":
            yield (*place, name), value
        elif isinstance(value, str) and option.names == "placeholders":
            yield from (((*place, name), column) for column in _PLACEHOLDER.findall(value))
        elif isinstance(value, Mapping):
            yield from _columns(option.fields, value, (*place, name))


def _written(context: Context, place: Place) -> Place:
    """The place as it stands in the file, where an object was written as a plain value."""
    while len(place) > 1 and not context.reading.has(place):
        place = place[:-1]
    return place
