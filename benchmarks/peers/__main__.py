"""``make peers``: the same faults for Dragoman, dlt and hand-written Airflow hooks, and one table of what came of them.

    .venv/bin/python -m peers [--rounds N] [--only crash|cursors|send|read] [--out FILE]

run in ``benchmarks/``; ``benchmarks/peers/install`` makes dlt's environment first. Takes about 20 minutes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "tests")]

from peers.cells import Cell  # noqa: E402
from peers.crash import at_commit_points, at_random  # noqa: E402
from peers.cursors import CLASSES, OPTIONS, cursor_cells  # noqa: E402
from peers.rest import READING, SENDING, reading_cells, sending_cells  # noqa: E402
from peers.table import page  # noqa: E402
from peers.tools import TOOLS, Tool, missing  # noqa: E402
from postgres_server import Server, start_postgres, stop_postgres  # noqa: E402

Named = dict[str, Cell]
Job = Callable[[Server, Path], Named]

_RANDOM = "SIGKILL at random, load that {mode}"
_POINTS = "SIGKILL at every commit point, load that {mode}, worker's disk {disk}"
_MODES = {"append": "appends", "keyed": "upserts by key"}
_SILENT = "API that offers no search and no keys: "
_SEED = 20_260_131


def crash_jobs(tool: Tool, rounds: int) -> list[tuple[str, Job]]:
    """Kills, at random and at named points."""
    jobs: list[tuple[str, Job]] = []
    for mode, words in _MODES.items():
        name = _RANDOM.format(mode=words)
        jobs.append(
            (
                name,
                lambda server, folder, mode=mode, name=name: {
                    name: at_random(tool, mode, server, folder, rounds, _SEED)
                },
            )
        )
        for disk in ("kept", "lost") if tool.keeps else ("kept",):
            name = _POINTS.format(mode=words, disk=disk)
            jobs.append(
                (
                    name,
                    lambda server, folder, mode=mode, name=name, disk=disk: {
                        name: at_commit_points(tool, mode, server, folder, keep_disk=disk == "kept")
                    },
                )
            )
    return jobs


def cursor_jobs(tool: Tool) -> list[tuple[str, Job]]:
    """What an incremental load misses."""

    def by_default(server: Server, folder: Path) -> Named:
        found = {mode: cursor_cells(tool, mode, server, folder / mode, options=False) for mode in _MODES}
        ties = Cell([*found["append"]["ties"].trials, *found["keyed"]["ties"].trials])
        late = Cell([*found["append"]["late"].trials, *found["keyed"]["late"].trials])
        return {_cursor("ties"): ties, _cursor("late"): late} | {
            _cursor(name): found["keyed"][name] for name in ("bumped", "silent", "deleted")
        }

    def with_options(server: Server, folder: Path) -> Named:
        found = cursor_cells(tool, "keyed", server, folder, options=True)
        return {_cursor(name, options=True): found[name] for name in ("late", "silent", "deleted")}

    jobs: list[tuple[str, Job]] = [("cursors", by_default)]
    return [*jobs, ("cursors with options", with_options)] if tool.name in OPTIONS else jobs


def _cursor(name: str, *, options: bool = False) -> str:
    return f"{CLASSES[name]}, {'with the option for it' if options else 'by default'}"


def rest_jobs(tool: Tool, what: str) -> list[tuple[str, Job]]:
    """An API as the destination, or as the source."""
    if what == "read":
        return [("read", lambda server, folder: _under("API as source: ", reading_cells(tool, server, folder)))]
    return [
        (
            "send",
            lambda server, folder: _under("API as destination: ", sending_cells(tool, server, folder, search=True)),
        ),
        ("silent", lambda server, folder: _under(_SILENT, sending_cells(tool, server, folder, search=False))),
    ]


def _under(prefix: str, cells: Named) -> Named:
    return {prefix + name: cell for name, cell in cells.items()}


def order() -> list[str]:
    """The rows of the page."""
    names = [_RANDOM.format(mode=words) for words in _MODES.values()]
    names += [_POINTS.format(mode=words, disk=disk) for words in _MODES.values() for disk in ("kept", "lost")]
    names += [_cursor(name) for name in CLASSES] + [
        _cursor(name, options=True) for name in ("late", "silent", "deleted")
    ]
    names += [f"API as destination: {name}" for name in SENDING]
    names += [_SILENT + name for name in SENDING if name.startswith("outcome")]
    return names + [f"API as source: {name}" for name in READING]


def measure(only: str, rounds: int, workers: int) -> dict[str, dict[str, Cell]]:
    """Run all jobs, a few at a time, and sort their cells into rows."""
    top = Path(tempfile.mkdtemp(prefix="dragoman-peers-"))
    server = start_postgres()
    found: dict[str, dict[str, Cell]] = {}
    try:
        with ThreadPoolExecutor(workers) as pool:
            waiting: list[tuple[Tool, Future[Named]]] = []
            for number, tool in enumerate(TOOLS):
                jobs = crash_jobs(tool, rounds) if only in {"", "crash"} else []
                jobs += cursor_jobs(tool) if only in {"", "cursors"} else []
                for what in ("send", "read"):
                    jobs += rest_jobs(tool, what) if only in {"", what} else []
                for name, job in jobs:
                    folder = top / f"{number}-{len(waiting)}"
                    waiting.append((tool, pool.submit(_timed, tool, name, job, server, folder)))
            for tool, future in waiting:
                for name, cell in future.result().items():
                    found.setdefault(name, {})[tool.name] = cell
    finally:
        stop_postgres(server)
        shutil.rmtree(top, ignore_errors=True)
    for words in _MODES.values():
        kept, lost = (_POINTS.format(mode=words, disk=disk) for disk in ("kept", "lost"))
        for tool in TOOLS:
            if not tool.keeps and kept in found:
                found.setdefault(lost, {})[tool.name] = found[kept][tool.name]
    return {name: found[name] for name in order() if name in found}


def _timed(tool: Tool, name: str, job: Job, server: Server, folder: Path) -> Named:
    begun = time.monotonic()
    cells = job(server, folder)
    sys.stderr.write(f"{tool.name}: {name}: {time.monotonic() - begun:.0f} s\n")
    return cells


def main() -> int:
    """Measure, print the table, write the page."""
    parser = argparse.ArgumentParser(prog="peers", description="The same faults for Dragoman, dlt and Airflow hooks.")
    parser.add_argument("--rounds", type=int, default=5, help="random kills of each load")
    parser.add_argument(
        "--only", choices=("crash", "cursors", "send", "read"), default="", help="one part; writes no page"
    )
    parser.add_argument("--workers", type=int, default=2, help="jobs at a time")
    parser.add_argument("--out", type=Path, default=HERE.parent / "peers.md", help="the page")
    args = parser.parse_args()
    if lacking := missing():
        sys.stderr.write(f"{lacking}\n")
        return 2
    begun = time.monotonic()
    text = page(measure(args.only, args.rounds, args.workers), TOOLS, (time.monotonic() - begun) / 60)
    sys.stdout.write(text)
    if not args.only:
        args.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
