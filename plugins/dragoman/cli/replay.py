"""``dragoman replay NAME``: rejected records sent again, by today's mapping."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dragoman.cli.connections import connection_store
from dragoman.cli.output import emit, emit_json
from dragoman.cli.progress import progress_bar
from dragoman.cli.selection import add_selection, wanted_of
from dragoman.core.errors import ConfigError
from dragoman.core.flow import Flow
from dragoman.core.home import integrations_folder
from dragoman.language import find_flow
from dragoman.ledger.reject_index import Wanted
from dragoman.steps.replays.replay import finish_replays, is_green, replay
from dragoman.steps.replays.replay_preview import preview_replay
from dragoman.steps.report import summary
from dragoman.steps.workplace import Workplace, open_workplace

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A selection is demanded, if only ``--all``."""
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")
    add_selection(parser)
    parser.add_argument("--all", action="store_true", help="all that are open")
    parser.add_argument(
        "--in-doubt",
        action="store_true",
        help="those in doubt too (alone: only those); they may have arrived, and may then be there twice",
    )
    parser.add_argument("--force", action="store_true", help="even over a newer version of the same key; audited")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be sent")


def run(args: argparse.Namespace) -> int:
    """Finish a replay that did not end, then do this one; 0 if all that was chosen has arrived."""
    wanted = _wanted(args)
    flow = find_flow(args.name, integrations_folder())
    place = open_workplace(connection_store())
    try:
        if args.dry_run:
            return _show(preview_replay(flow, place, wanted, force=args.force), as_json=args.json)
        with progress_bar(flow.integration) as tell:
            place.progress = tell
            return _replay(flow, place, wanted, force=args.force, as_json=args.json)
    finally:
        place.close()


def _wanted(args: argparse.Namespace) -> Wanted:
    narrowed = any((args.numbers, args.run_id, args.code, args.field, args.stage))
    if not narrowed and not args.all and not args.in_doubt:
        raise ConfigError(
            "replay.nothing_chosen",
            "nothing says which rejects to send again",
            next_step="choose by --reject ID, --run RUN, --code CODE, --field F or --stage S, or take --all; "
            "--dry-run shows what would be sent",
        )
    states = ("open", "in_doubt") if narrowed or args.all else ("in_doubt",)
    return wanted_of(args, states if args.in_doubt else ("open",))


def _replay(flow: Flow, place: Workplace, wanted: Wanted, *, force: bool, as_json: bool) -> int:
    recovered = finish_replays(flow, place)
    report = replay(flow, place, wanted, force=force)
    if recovered:
        report["recovered"] = recovered
    if as_json:
        emit_json(report)
    else:
        for one in recovered:
            emit(summary(one))
        _print(report)
    error = report.get("error")
    if error:
        step = f" Next: {error['next']}" if error.get("next") else ""
        sys.stderr.write(f"{error['message']} [{error['code']}]{step}\n")
    return 0 if all(is_green(one) for one in (report, *recovered)) else 1


def _print(report: dict[str, Any]) -> None:
    if report["run_id"]:
        emit(summary(report))
    elif not report["refusals"]:
        emit(f"no reject of {report['integration']} is open and fits")
    if report.get("rejected") or report.get("in_doubt"):
        emit(f"not all has arrived: dragoman rejects {report['integration']} --run {report['run_id']}")
    print_refused(report)


def print_refused(report: dict[str, Any]) -> None:
    """What was refused, each with its reason, and what was left out because it is in doubt."""
    for one in report["refused"]:
        step = f" Next: {one['next']}" if one["next"] else ""
        emit(f"refused {one['id']}: {one['message']} [{one['code']}]{step}")
    more = report["refusals"] - len(report["refused"])
    if more:
        emit(f"and {more} more were refused")
    if report["in_doubt_left_out"]:
        emit(f"{report['in_doubt_left_out']} in doubt are left out: they may have arrived; --in-doubt takes them")


def _show(shown: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        emit_json(shown)
    else:
        for node, outputs in shown["deliveries"].items():
            emit(f"for {node}: {len(outputs)}")
            for output in outputs:
                emit(f"  {output}")
        emit(f"would be rejected: {len(shown['rejects'])}")
        for one in shown["rejects"]:
            emit(f"  {one['position']}  {one['field'] or '-'}  {one['message']} [{one['code']}]")
        print_refused(shown)
    return 1 if shown["refusals"] or shown["rejects"] else 0
