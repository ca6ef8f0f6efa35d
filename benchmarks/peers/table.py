"""The page: one row per class of faults, one column per tool, every cell measured in the run that wrote it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from peers.cells import Cell, Trial
from peers.tools import Tool

__all__ = ["Rows", "page"]

Rows = Mapping[str, Mapping[str, Cell]]
"""Class of faults → name of the tool → cell."""

_HEAD = """# The same faults, three tools

Written by `make peers`; not to be edited. Every figure was measured in the run that wrote this page.

**Y**: nothing lost, nothing doubled, nothing changed, no success that was none, nobody needed. **N**: how many of
the trials failed, and what was wrong when the last run had ended. *False green* counts the trials whose last run
said success although records were lost or doubled; *stuck* those where no run ends green, so that a person has to
act; *named* the records that the tool itself lists as rejected or in doubt.

{versions}
"""

_FAIR = """
## How it was measured, and what is fair about it

- The same real PostgreSQL, the same rows, the same fault server for all (`dragoman.testing`); each run is a process
  of its own, killed by SIGKILL together with all that it has started. Rows are compared one by one by a program
  that knows none of the tools; what an API has taken is read from the API's own record.
- Each tool runs the code that its documentation shows: dlt `sql_table` with `incremental`, `rest_api` and a custom
  destination that posts with dlt's client; Airflow's `PostgresHook.insert_rows` from the newest value in the
  destination on, and `HttpHook` page by page and batch by batch, as the body of a task that is run again where it
  fails. Dragoman runs its YAML by `dragoman run`. Reading an answer item by item, or looking a record up after an
  unknown outcome, is possible with all three; with two of them it is left to the user.
- Kill points: Dragoman's are its own failpoints; dlt's are functions of its loader that were wrapped in its process
  and do nothing but end it there; the hooks' are commits of the connection. *Worker's disk lost*: whatever the tool
  keeps on the disk is removed after the kill, as with a container that is started anew; the hooks keep nothing
  there. For Dragoman that is ledger and stage, which on several workers lie in PostgreSQL and in a bucket instead.
- A red run is run again up to three times (loads) or two more times (APIs). A record that an API refuses for good
  has to be named by the tool that ends green; a tool that ends red over it is stuck.
- The fault server's search is consistent at once, which is the best case for reading back.
- Random kills fall between 30 % and 100 % of the tool's own time for the same load; rows that a kill does not reach
  in time are not counted as trials.
- The options of the incremental loads: dlt's `lag` and Dragoman's `overlap`, of 5 seconds both, and Dragoman's
  `deletes: compare`. *Wrong* is a row that is not as in the source, or should be gone.
"""


def page(rows: Rows, tools: Sequence[Tool], minutes: float) -> str:
    """The whole page in Markdown."""
    versions = [f"| {tool.name} | {tool.version()} |" for tool in tools]
    now = datetime.now(UTC)
    told = ["| tool | version |", "|---|---|", *versions, f"| Python | {platform.python_version()} |"]
    about = f"\n{now:%Y-%m-%d}, {os.cpu_count()} cores, {minutes:.0f} minutes."
    lines = [_HEAD.format(versions="\n".join(told) + "\n" + about)]
    lines.append("| class of faults | " + " | ".join(tool.name for tool in tools) + " |")
    lines.append("|---|" + "---|" * len(tools))
    for name, cells in rows.items():
        lines.append(f"| {name} | " + " | ".join(str(cells.get(tool.name, Cell())) for tool in tools) + " |")
    return "\n".join(lines) + "\n" + _details(rows, tools) + _FAIR


def _details(rows: Rows, tools: Sequence[Tool]) -> str:
    lines = [
        "\n## Every trial that failed, and what was named\n",
        "| class | tool | fault | what came of it |",
        "|---|---|---|---|",
    ]
    for name, cells in rows.items():
        for tool in tools:
            told = [trial for trial in cells.get(tool.name, Cell()).trials if trial.bad or trial.named]
            lines += [f"| {name} | {tool.name} | {trial.fault} | {_said(trial)} |" for trial in told]
    return "\n".join(lines) + "\n"


def _said(trial: Trial) -> str:
    parts = [f"{getattr(trial, name):,} {name}" for name in ("lost", "doubled", "wrong") if getattr(trial, name)]
    parts += [f"{trial.named} named"] if trial.named else []
    parts += ["stuck" if trial.stuck else "green"]
    note = " ".join(trial.note.split()).replace("|", "\\|")
    return ", ".join(parts) + (f": {note[:160]}" if note else "")
