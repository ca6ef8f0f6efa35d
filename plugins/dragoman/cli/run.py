"""``dragoman run NAME``: the same steps as in Airflow, in one process."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dragoman.cli.connections import connection_store
from dragoman.cli.output import emit, emit_json
from dragoman.cli.progress import progress_bar
from dragoman.core.errors import ConfigError, DragomanError
from dragoman.core.flow import Flow
from dragoman.core.home import integrations_folder
from dragoman.language import find_flow
from dragoman.steps.report import report_of, summary
from dragoman.steps.run import run as run_steps
from dragoman.steps.workplace import Workplace, open_workplace

__all__ = ["add_arguments", "run", "run_and_print"]

GREEN = frozenset({"done", "nothing_new"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``NAME`` is the integration's id, or the path of its YAML file."""
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")


def run(args: argparse.Namespace) -> int:
    """Finish an unfinished run if there is one, then do a new one; print the last."""
    flow = find_flow(args.name, integrations_folder())
    place = open_workplace(connection_store())
    try:
        return run_and_print(flow, place, as_json=args.json)
    finally:
        place.close()


def run_and_print(flow: Flow, place: Workplace, *, as_json: bool, only_finish: bool = False) -> int:
    """Run, print the report, and return the exit code. ``only_finish``: leave it at the unfinished run."""
    recovered: list[dict[str, Any]] = []
    with progress_bar(flow.integration) as tell:
        place.progress = tell
        if not only_finish and place.ledger.unfinished_run(flow.integration) is not None:
            report = _once(flow, place)
            if report["state"] not in GREEN:
                return _print(report, as_json=as_json)
            recovered.append(report)
        report = _once(flow, place)
    if recovered:
        report["recovered"] = recovered
    return _print(report, as_json=as_json)


def _once(flow: Flow, place: Workplace) -> dict[str, Any]:
    try:
        return run_steps(flow, place)
    except ConfigError:
        raise
    except DragomanError as error:
        last = place.ledger.runs(flow.integration, limit=1)
        if not last or error.code == "lease.held":
            raise
        report = report_of(place, last[0].run_id)
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
    return 0 if report["state"] in GREEN else 1
