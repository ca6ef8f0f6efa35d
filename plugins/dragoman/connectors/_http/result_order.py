"""Whether results that name their items stand in the order in which the items were sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.connectors._http.item_index import ItemIndex
from dragoman.connectors._http.sign_words import plain_name
from dragoman.core.items import Item

__all__ = ["in_order"]

_OWN = frozenset({"id", "uuid", "guid", "key", "ref"})
"""Names under which servers write ids of their own: that they meet those of other items may be chance."""


def in_order(results: Sequence[Any], items: Sequence[Item]) -> list[Any] | None:
    """The results in the items' order; None where they name items in a way that no order fits.

    A result names its item by a column that comes back with the value that was sent, or by its ``index``, counted from
    0. Results that name nothing stand as they are.
    """
    places = [each.get("index") if isinstance(each, Mapping) else None for each in results]
    if "index" not in items[0].values and sorted(map(str, places)) == sorted(map(str, range(len(items)))):
        placed = dict(zip(map(str, places), results, strict=True))
        return [placed[str(at)] for at in range(len(items))]
    for name in items[0].values:
        named = [each[name] if isinstance(each, Mapping) and name in each else None for each in results]
        if all(value is None or isinstance(value, list | dict | bool) for value in named):
            continue
        index = ItemIndex(items, name)
        rows = [index.row(value) for value in named]
        own = all(row in {None, at} for at, row in enumerate(rows))
        if own:
            continue
        if None not in rows and len(set(rows)) == len(items):
            by_row = dict(zip(rows, results, strict=True))
            return [by_row[at] for at in range(len(items))]
        if plain_name(name) not in _OWN:
            return None
    return list(results)
