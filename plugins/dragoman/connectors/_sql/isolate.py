"""Finding the bad rows of a batch: everything else goes in.

A batch is tried whole. When it fails for its data, the driver often knows which row it was; what stands before that
row goes in at once, the row is tried alone, and the rest goes on in pieces that grow again. Without such a hint the
piece is halved. So k bad rows of n cost about 3 k attempts with a hint and 2 k log2(n) without, and what is sent
again stays small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Failure", "isolate"]

_RESTART = 1024


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed. ``row``: which of its rows the database named (0-based), -1 where it named none."""

    code: str
    message: str
    field: str = ""
    answer: str = ""
    row: int = -1


def isolate(rows: int, attempt: Callable[[int, int], Failure | None]) -> list[tuple[int, Failure]]:
    """Apply all rows but the bad ones, in their order.

    Args:
        rows: how many there are.
        attempt: applies rows ``start`` to ``stop`` (exclusive) as a whole or not at all; the failure, or None.

    Returns:
        The bad rows with the reason that each gave when it was tried alone.
    """
    bad: list[tuple[int, Failure]] = []
    start, size, suspect = 0, rows, False
    while start < rows:
        stop = min(start + size, rows)
        failure = attempt(start, stop)
        count = stop - start
        if failure is None:
            start, size, suspect = stop, (1 if suspect else max(size * 2, _RESTART)), False
        elif count == 1:
            bad.append((start, failure))
            start, size, suspect = stop, _RESTART, False
        elif 0 < failure.row < count:
            size, suspect = failure.row, True
        else:
            size, suspect = (1 if failure.row == 0 else count // 2), False
    return bad
