"""A progress line on stderr, when that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[str, int], None]]:
    """Gives the function that a workplace tells its progress to: the phase and the records so far."""
    if not sys.stderr.isatty():
        yield lambda _phase, _records: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<32}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:>12,.0f} records"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        bars: dict[str, int] = {}

        def tell(phase: str, records: int) -> None:
            if phase not in bars:
                bars[phase] = int(shown.add_task(f"{title}: {phase}", total=None))
            shown.update(bars[phase], completed=records)  # type: ignore[arg-type]  # TaskID is an int

        yield tell
