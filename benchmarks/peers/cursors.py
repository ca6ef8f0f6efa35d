"""What an incremental load misses: ties, late rows, updates with and without a new cursor, deletes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from peers.cells import Cell, Trial
from peers.crash import integration_of
from peers.process import run
from peers.tools import Tool
from peers.world import World
from postgres_server import Server

__all__ = ["CLASSES", "OPTIONS", "cursor_cells"]

FIRST = 1_000
_LAST = "(SELECT max(updated_at) FROM orders WHERE id < 1000)"
_CHANGES = (
    f"INSERT INTO orders SELECT n, {_LAST}, n FROM generate_series(2000, 2004) AS n",
    f"INSERT INTO orders SELECT n, {_LAST} - interval '1 second', n FROM generate_series(2010, 2014) AS n",
    f"UPDATE orders SET amount = -1, updated_at = {_LAST} + interval '10 seconds' WHERE id BETWEEN 0 AND 4",
    "UPDATE orders SET amount = -1 WHERE id BETWEEN 10 AND 14",
    "DELETE FROM orders WHERE id BETWEEN 20 AND 24",
)

CLASSES = {
    "ties": "rows at the very value where the last run stopped",
    "late": "rows committed late, with an older cursor",
    "bumped": "updates that move the cursor's column",
    "silent": "updates that do not",
    "deleted": "deletes",
}


@dataclass(frozen=True)
class Options:
    """What a user may write beside the defaults, for each tool that has it."""

    environment: dict[str, str]
    cursor: str = ""
    deletes: str = ""
    """Only for loads by key."""


OPTIONS = {
    "dlt": Options({"PEER_LAG": "5"}),
    "Dragoman": Options({}, "{column: updated_at, id: id, overlap: 5s}", ", deletes: compare"),
}


def cursor_cells(tool: Tool, mode: str, server: Server, folder: Path, *, options: bool) -> dict[str, Cell]:
    """One cell per class; with ``options`` what the tool offers for it is written."""
    world = World(server, folder)
    more = OPTIONS[tool.name] if options else Options({})
    try:
        world.prepare(tool.makes, keyed=mode == "keyed")
        integration_of(world, mode, cursor=more.cursor, more=more.deletes if mode == "keyed" else "")
        world.add_rows(FIRST)
        env = tool.env(world, mode, **more.environment)
        first = run(tool.command("load"), env, world.work)
        for statement in _CHANGES:
            world.change(statement)
        for _ in range(2):
            last = run(tool.command("load"), env, world.work)
        if not (first.green and last.green):
            return {name: Cell([Trial(name, stuck=True, green=False, note=last.said[-300:])]) for name in CLASSES}
        landed = world.landed()
        counted = Counted([(int(str(row[0])), int(str(row[2]))) for row in landed])
        return {name: Cell([Trial(name, **numbers)]) for name, numbers in counted.by_class().items()}
    finally:
        world.close()


class Counted:
    """The destination's rows, class by class: what is lost, doubled, or not as in the source (``wrong``)."""

    def __init__(self, rows: list[tuple[int, int]]) -> None:
        self._rows = rows

    def by_class(self) -> dict[str, dict[str, int]]:
        """In the order of ``CLASSES``. A load that appends keeps old versions; only equal copies are surplus."""
        rows, every = self._rows, set(self._rows)
        copies = len(rows) - len(every)
        ids = {key for key, _ in rows}
        new: Callable[[range], int] = lambda wanted: sum(1 for key in wanted if key not in ids)  # noqa: E731
        old: Callable[[range], int] = lambda wanted: sum(1 for key in wanted if (key, -1) not in every)  # noqa: E731
        return {
            "ties": {"lost": new(range(2000, 2005)), "doubled": copies},
            "late": {"lost": new(range(2010, 2015))},
            "bumped": {"wrong": old(range(5))},
            "silent": {"wrong": old(range(10, 15))},
            "deleted": {"wrong": sum(1 for key in range(20, 25) if key in ids)},
        }
