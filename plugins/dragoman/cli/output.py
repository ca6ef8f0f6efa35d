"""How verbs print: JSON alone on stdout, or text for people; errors and logs go to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from dragoman.core.errors import ConfigError, DragomanError

__all__ = ["emit", "emit_error", "emit_json", "table"]


def emit(text: str) -> None:
    """Print for people."""
    sys.stdout.write(text + "\n")


def emit_json(value: Any) -> None:
    """Print one JSON value; what JSON cannot hold is printed as its text."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def emit_error(error: DragomanError, *, as_json: bool) -> None:
    """The sentence and the next step on stderr; with ``--json`` also an object on stdout."""
    if as_json:
        problems = error.problems if isinstance(error, ConfigError) else ()
        emit_json(
            {
                "error": error.code,
                "message": error.message,
                "next": error.next_step,
                "problems": [vars(problem) for problem in problems],
            }
        )
    sys.stderr.write(f"{error}\n")


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A plain table, columns as wide as their widest cell; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max([len(head)] + [len(row[at]) for row in cells]) for at, head in enumerate(headers)]
    numeric = [
        all(row[at].replace(".", "", 1).isdigit() or row[at] in {"", "-"} for row in cells)
        for at in range(len(headers))
    ]

    def line(row: Sequence[str]) -> str:
        done = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        return "  ".join(done).rstrip()

    return "\n".join([line(list(headers)), "  ".join("-" * width for width in widths), *(line(row) for row in cells)])
