"""``dragoman dismiss`` and ``settle``: a person's word about rejects that shall not be sent, or that were in doubt."""

from __future__ import annotations

import argparse

from dragoman.cli.output import emit, emit_json
from dragoman.cli.selection import add_selection, wanted_of
from dragoman.core.errors import ConfigError
from dragoman.core.home import integrations_folder
from dragoman.language import find_flow
from dragoman.steps.replays.mend import dismiss, settle
from dragoman.steps.workplace import open_workplace

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``dismiss`` takes a reason, ``settle`` what was found out."""
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")
    add_selection(parser)
    if parser.prog.endswith("settle"):
        found = parser.add_mutually_exclusive_group(required=True)
        found.add_argument("--delivered", action="store_true", help="they have arrived: nothing is left to do")
        found.add_argument("--not-delivered", action="store_true", help="they have not: they are open, to be replayed")
    else:
        parser.add_argument("--reason", metavar="TEXT", required=True, help="why they shall not be sent")


def run(args: argparse.Namespace) -> int:
    """Decide about all that were chosen, or about none."""
    if not any((args.numbers, args.run_id, args.code, args.field, args.stage)):
        raise ConfigError(
            "reject.nothing_chosen",
            "nothing says which rejects",
            next_step="choose by --reject ID, --run RUN, --code CODE, --field F or --stage S",
        )
    flow = find_flow(args.name, integrations_folder())
    place = open_workplace()
    try:
        if args.verb == "settle":
            done = settle(flow, place, wanted_of(args, ("in_doubt",)), delivered=args.delivered)
            state = "delivered" if args.delivered else "open"
        else:
            done, state = dismiss(flow, place, wanted_of(args, ("open",)), args.reason), "dismissed"
    finally:
        place.close()
    if args.json:
        emit_json({"integration": flow.integration, "rejects": done, "state": state})
    else:
        emit(f"{done} of {flow.integration} are {state} now")
    return 0
