"""All pairs: a small set of combinations in which every two values of different factors meet at least once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

__all__ = ["all_pairs"]


def all_pairs(*factors: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Combinations of one value of each factor, greedily chosen, the same ones each time.

    Each begins with a pair that has not met yet and is completed by the values that bring most new pairs, and of those by
    the one that was used least.
    """
    open_pairs = {
        (one, a, other, b)
        for one, other in combinations(range(len(factors)), 2)
        for a, b in product(factors[one], factors[other])
    }
    order = {value: at for factor in factors for at, value in enumerate(factor)}
    used: Counter[tuple[int, Any]] = Counter()
    chosen = []
    while open_pairs:
        first, a, second, b = min(open_pairs, key=lambda pair: (pair[0], pair[2], order[pair[1]], order[pair[3]]))
        row: dict[int, Any] = {first: a, second: b}
        for at in sorted(set(range(len(factors))) - set(row)):
            news = {value: len(_new(row | {at: value}) & open_pairs) for value in factors[at]}
            row[at] = min(factors[at], key=lambda value: (-news[value], used[at, value], order[value]))
        open_pairs -= _new(row)
        used.update(row.items())
        chosen.append(tuple(row[at] for at in range(len(factors))))
    return chosen


def _new(row: dict[int, Any]) -> set[tuple[int, Any, int, Any]]:
    return {(one, row[one], other, row[other]) for one, other in combinations(sorted(row), 2)}
