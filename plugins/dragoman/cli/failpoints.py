"""``dragoman failpoints``: the registry of named places."""

from __future__ import annotations

import argparse

from dragoman.cli.output import emit, emit_json, table
from dragoman.core.failpoints import FAILPOINTS

__all__ = ["add_arguments", "run"]

_ARM = (
    "Arm one with DRAGOMAN_FAILPOINT=name:nth:action: at its nth passing the program is killed (kill), ends as if the "
    "world had failed (raise) or hangs (sleep); the name alone means :1:kill. "
    "DRAGOMAN_FAILPOINT=trace:PATH appends the name of each one that is passed to a file."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""
    parser.epilog = _ARM


def run(args: argparse.Namespace) -> int:
    """Print the registry as ``[{name, where, when, arm}]`` or as a table."""
    if args.json:
        emit_json(
            [point._asdict() | {"arm": f"DRAGOMAN_FAILPOINT={name}:1:kill"} for name, point in FAILPOINTS.items()]
        )
    else:
        emit(table(("NAME", "WHERE", "WHEN"), FAILPOINTS.values()))
        emit(f"\n{_ARM}")
    return 0
