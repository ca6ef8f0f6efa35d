"""SIGKILL, at random and at named commit points, in loads that append and in loads by key; then run again, compare."""

from __future__ import annotations

import random
from pathlib import Path

from peers.cells import Cell, Trial
from peers.process import Ended, run
from peers.tools import Tool
from peers.world import World
from postgres_server import Server

__all__ = ["at_commit_points", "at_random", "integration_of"]

ROWS = 21_000
"""A multiple of ``PER_MOMENT``, so that no moment is parted by an increment: ties are a test of their own."""

POINT_ROWS = 4_900
RERUNS = 3


def integration_of(world: World, mode: str, *, cursor: str = "", more: str = "") -> None:
    """Dragoman's YAML for the same load."""
    folder = world.folder / "integrations"
    folder.mkdir(exist_ok=True)
    how = "mode: append" if mode == "append" else "mode: upsert, key: [id]"
    wanted = cursor or "{column: updated_at, id: id}"
    text = f"""integration: orders
source: {{connector: postgres, connection: src, table: public.orders, cursor: {wanted}{more}}}
deliver: {{connector: postgres, connection: dst, table: landed.orders, {how}}}
"""
    (folder / "orders.yaml").write_text(text)


def _world(tool: Tool, server: Server, folder: Path, mode: str) -> World:
    world = World(server, folder)
    world.prepare(tool.makes, keyed=mode == "keyed")
    integration_of(world, mode)
    return world


def _again(tool: Tool, world: World, mode: str) -> Ended:
    """Run until it is green and nothing new is found, as a scheduler would; at most ``RERUNS`` times."""
    for _ in range(RERUNS):
        ended = run(tool.command("load"), tool.env(world, mode), world.work)
        if ended.green and world.compare().whole:
            break
    return ended


def at_random(tool: Tool, mode: str, server: Server, folder: Path, rounds: int, seed: int) -> Cell:
    """Kill at a random moment of an increment of ``ROWS`` rows, ``rounds`` times, and run again."""
    chance = random.Random(f"{seed} {mode}")
    world, cell = _world(tool, server, folder, mode), Cell()
    try:
        for _ in range(2):  # the second is an increment, as those that are killed
            world.add_rows(ROWS)
            whole = run(tool.command("load"), tool.env(world, mode), world.work)
        if not whole.green or not world.compare().whole:
            return Cell([Trial.of("no fault at all", world.compare(), whole)])
        seconds = whole.seconds
        before = world.compare()
        for turn in range(2 * rounds):
            if sum(trial.struck for trial in cell.trials) == rounds:
                break
            world.add_rows(ROWS)
            share = chance.uniform(0.3, 1.0)
            struck = run(tool.command("load"), tool.env(world, mode), world.work, kill_after=share * seconds)
            last = _again(tool, world, mode)
            found = world.compare()
            cell.trials.append(
                Trial(
                    f"killed at {share:.0%} of round {turn + 1}",
                    lost=max(0, found.lost - before.lost),
                    doubled=max(0, found.doubled - before.doubled),
                    wrong=max(0, found.wrong - before.wrong),
                    stuck=not last.green,
                    green=last.green,
                    struck=struck.killed,
                )
            )
            before = found
    finally:
        world.close()
    return cell


def at_commit_points(tool: Tool, mode: str, server: Server, folder: Path, *, keep_disk: bool) -> Cell:
    """Kill at each named commit point of a first load into an empty destination; then run again, up to three times."""
    cell = Cell()
    for number, (name, point) in enumerate(tool.points.items()):
        world = _world(tool, server, folder / str(number), mode)
        try:
            world.add_rows(POINT_ROWS)
            struck = run(tool.command("load"), tool.env(world, mode, **{tool.arms: point}), world.work)
            if not keep_disk:
                world.forget_work()
            last = _again(tool, world, mode)
            cell.trials.append(Trial.of(name, world.compare(), last, struck=struck.code == -9))
        finally:
            world.close()
    return cell
