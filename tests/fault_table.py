"""The table that the fault matrix prints: a line per group of cells, a column per kind of fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fault_cells import Result

COLUMNS = {
    "lost": ("lost",),
    "doubled": ("doubled",),
    "wrong": ("wrong", "half"),
    "false green": ("false_green", "lie"),
    "stuck": ("stuck",),
    "unexplained": ("unexplained", "unaccounted", "needless_doubt", "not_tried"),
}


def table_of(results: Iterable[Result]) -> list[str]:
    """The lines: in each column the number of cells with a fault of that kind."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.cell.story, []).append(result)
    width = max(map(len, groups), default=5) + 2
    lines = [f"{'':<{width}}{'cells':>7}" + "".join(f"{name:>13}" for name in COLUMNS)]
    sums: Counter[str] = Counter()
    for story, tried in groups.items():
        counts = {
            name: sum(any(result.verdict.count(kind) for kind in kinds) for result in tried)
            for name, kinds in COLUMNS.items()
        }
        sums.update(counts | {"cells": len(tried)})
        lines.append(f"{story:<{width}}{len(tried):>7}" + "".join(f"{counts[name]:>13}" for name in COLUMNS))
    return [*lines, f"{'all':<{width}}{sums['cells']:>7}" + "".join(f"{sums[name]:>13}" for name in COLUMNS)]
