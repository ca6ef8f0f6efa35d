"""``dragoman runs [NAME]``: the newest runs and their figures."""

from __future__ import annotations

import argparse
from typing import Any

from dragoman.cli.known import known_integration
from dragoman.cli.output import emit, emit_json, table
from dragoman.core.errors import ConfigError
from dragoman.ledger.rows import Run
from dragoman.steps.report import report_of
from dragoman.steps.workplace import Workplace, open_workplace

__all__ = ["add_arguments", "run"]

_COLUMNS = ("read", "delivered", "rejected", "filtered", "in_doubt", "tries", "seconds")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``NAME`` narrows the list to one integration."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="the integration's id, or the path of its YAML file")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most so many, newest first (default 20)")


def run(args: argparse.Namespace) -> int:
    """Print them, newest first."""
    if args.limit < 1:
        raise ConfigError(
            "cli.bad_limit", f"--limit is {args.limit}, expected 1 or more", next_step="dragoman runs --limit 20"
        )
    place = open_workplace()
    try:
        name = known_integration(place, args.name) if args.name else None
        reports = [_report(place, found) for found in place.ledger.runs(name, limit=args.limit)]
    finally:
        place.close()
    if args.json:
        emit_json(reports)
    else:
        _print(reports, name)
    return 0


def _report(place: Workplace, found: Run) -> dict[str, Any]:
    times = {"opened_at": found.opened_at, "closed_at": found.closed_at}
    shown = {name: moment and moment.isoformat(timespec="milliseconds") for name, moment in times.items()}
    return report_of(place, found.run_id) | shown


def _print(reports: list[dict[str, Any]], name: str | None) -> None:
    if not reports:
        emit(f"no run yet{f' of {name}' if name else ''}; start one: dragoman run {name or 'NAME'}")
        return
    headers = (
        "RUN",
        "INTEGRATION",
        "KIND",
        "STATE",
        "OPENED (UTC)",
        *(column.upper().replace("_", " ") for column in _COLUMNS),
    )
    rows = [
        (
            report["run_id"],
            report["integration"],
            report["kind"],
            report["state"],
            report["opened_at"][:19].replace("T", " "),
            *(report[column] for column in _COLUMNS),
        )
        for report in reports
    ]
    emit(table(headers, rows))
    for report in reports:
        if report["error"] and report["closed_at"] is None:
            emit(f"\n{report['run_id']}: {report['error']['message']}")
