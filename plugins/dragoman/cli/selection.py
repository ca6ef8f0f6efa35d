"""How a person chooses rejects on the command line."""

from __future__ import annotations

import argparse

from dragoman.core.errors import ConfigError
from dragoman.ledger.reject_index import Wanted
from dragoman.steps.rejects import STAGES

__all__ = ["add_selection", "wanted_of"]


def add_selection(parser: argparse.ArgumentParser) -> None:
    """``--reject``, ``--run``, ``--code``, ``--field``, ``--stage``; several narrow the choice."""
    parser.add_argument(
        "--reject", dest="numbers", metavar="ID", type=int, action="append", default=[], help="this one; repeatable"
    )
    parser.add_argument("--run", dest="run_id", metavar="RUN", default="", help="only those of this run")
    parser.add_argument("--code", metavar="CODE", default="", help="only those with this code")
    parser.add_argument("--field", metavar="F", default="", help="only those of this field")
    parser.add_argument("--stage", metavar="S", choices=("", *STAGES), default="", help="only " + ", ".join(STAGES))


def wanted_of(args: argparse.Namespace, states: tuple[str, ...]) -> Wanted:
    """The choice, in these states."""
    numbers = tuple(dict.fromkeys(args.numbers))
    if any(number < 1 for number in numbers):
        raise ConfigError(
            "reject.unknown", f"--reject {min(numbers)} is no number of a reject", next_step="dragoman rejects NAME"
        )
    return Wanted(
        numbers=numbers, run_id=args.run_id, code=args.code, field=args.field, stage=args.stage, states=states
    )
