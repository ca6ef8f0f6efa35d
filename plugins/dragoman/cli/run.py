"""``dragoman run NAME``: the same steps as in Airflow, in one process."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

from dragoman.cli.connections import connection_store
from dragoman.cli.output import emit, emit_json
from dragoman.cli.progress import progress_bar
from dragoman.core.errors import ConfigError, DragomanError
from dragoman.core.flow import Flow
from dragoman.core.home import integrations_folder
from dragoman.language import find_flow
from dragoman.steps.backfill import Backfill, check_backfill
from dragoman.steps.replays.replay import finish_replays
from dragoman.steps.report import report_of, summary
from dragoman.steps.run import run as run_steps
from dragoman.steps.workplace import Workplace, open_workplace

__all__ = ["add_arguments", "run", "run_and_print"]

GREEN = frozenset({"done", "nothing_new"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``NAME`` is the integration's id, or the path of its YAML file."""
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")
    parser.add_argument(
        "--from", dest="start", metavar="X", help="backfill: read records whose cursor is X or later; with --to"
    )
    parser.add_argument("--to", dest="end", metavar="Y", help="backfill: and earlier than Y; the live cursor stays")
    parser.add_argument(
        "--again", action="store_true", help="backfill: append even what an earlier run may have delivered"
    )


def run(args: argparse.Namespace) -> int:
    """Finish unfinished replays and an unfinished run if there is one, then do a new one; print the last.

    A backfill that did not end is finished and not done once more.
    """
    backfill = _backfill(args)
    flow = find_flow(args.name, integrations_folder())
    place = open_workplace(connection_store())
    try:
        if backfill:
            check_backfill(flow, place, replace(backfill, again=True))
        return run_and_print(flow, place, as_json=args.json, backfill=backfill)
    finally:
        place.close()


def _backfill(args: argparse.Namespace) -> Backfill | None:
    if args.start is None and args.end is None:
        if args.again:
            raise ConfigError(
                "backfill.half", "--again belongs to a backfill", next_step="dragoman run NAME --from X --to Y --again"
            )
        return None
    if not args.start or not args.end:
        raise ConfigError(
            "backfill.half",
            f"a backfill has two ends, and --{'to' if args.start else 'from'} is missing",
            next_step="dragoman run NAME --from X --to Y; Y itself is not read",
        )
    return Backfill(args.start, args.end, args.again)


def run_and_print(
    flow: Flow, place: Workplace, *, as_json: bool, only_finish: bool = False, backfill: Backfill | None = None
) -> int:
    """Run, print the report, and return the exit code. ``only_finish``: leave it at the unfinished run."""
    recovered: list[dict[str, Any]] = []
    with progress_bar(flow.integration) as tell:
        place.progress = tell
        recovered += finish_replays(flow, place)
        if not only_finish and not backfill and place.ledger.unfinished_run(flow.integration) is not None:
            report = _once(flow, place, None)
            if report["state"] not in GREEN:
                return _print(report, as_json=as_json)
            recovered.append(report)
        report = _once(flow, place, backfill)
    if recovered:
        report["recovered"] = recovered
    return _print(report, as_json=as_json)


def _once(flow: Flow, place: Workplace, backfill: Backfill | None) -> dict[str, Any]:
    try:
        return run_steps(flow, place, backfill=backfill)
    except ConfigError:
        raise
    except DragomanError as error:
        ledger, interval = place.ledger, backfill.interval if backfill else None
        last = ledger.unfinished_run(flow.integration, interval) or next(iter(ledger.runs(flow.integration, 1)), None)
        if not last or last.replay or last.interval != interval or error.code in {"lease.held", "run.other_first"}:
            raise
        report = report_of(place, last.run_id)
        report["error"] = {"code": error.code, "message": error.message, "next": error.next_step}
        return report


def _print(report: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        emit_json(report)
    else:
        for one in report.get("recovered", []):
            emit(summary(one))
        emit(summary(report))
    error = report.get("error")
    if error:
        step = f" Next: {error['next']}" if error.get("next") else ""
        sys.stderr.write(f"{error['message']} [{error['code']}]{step}\n")
    return 0 if all(one["state"] in GREEN for one in (report, *report.get("recovered", ()))) else 1
