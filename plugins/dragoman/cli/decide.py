"""``dragoman resume|accept|abandon RUN``: what a person decides about a held or failed run."""

from __future__ import annotations

import argparse

from dragoman.cli.connections import connection_store
from dragoman.cli.output import emit, emit_json
from dragoman.cli.run import run_and_print
from dragoman.core.flow import Flow
from dragoman.core.home import integrations_folder
from dragoman.language import find_flow
from dragoman.steps.backfill import Backfill
from dragoman.steps.decide import abandon, accept, find_run, resume
from dragoman.steps.replays.replay import finish_replays, is_green
from dragoman.steps.report import summary
from dragoman.steps.workplace import Workplace, open_workplace

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``RUN`` is a run's id, as ``dragoman runs`` lists it."""
    parser.add_argument("run_id", metavar="RUN", help="the run's id, as dragoman runs lists it")


def _finish_replay(flow: Flow, place: Workplace, *, as_json: bool) -> int:
    reports = finish_replays(flow, place)
    emit_json(reports[-1]) if as_json else emit("\n".join(summary(one) for one in reports))
    return 0 if all(is_green(one) for one in reports) else 1


def run(args: argparse.Namespace) -> int:
    """Do what was decided, and finish the run where it goes on."""
    place = open_workplace(connection_store())
    try:
        found = find_run(place, args.run_id)
        if args.verb == "abandon":
            report = abandon(place, found)
            emit_json(report) if args.json else emit(summary(report))
            return 0
        flow = find_flow(found.integration, integrations_folder())
        if args.verb == "resume":
            resume(flow, place, found)
        else:
            accept(place, found)
        if found.replay:
            return _finish_replay(flow, place, as_json=args.json)
        backfill = Backfill(*found.interval) if found.interval else None
        return run_and_print(flow, place, as_json=args.json, only_finish=True, backfill=backfill)
    finally:
        place.close()
