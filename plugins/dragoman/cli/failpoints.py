"""``dragoman failpoints``: the registry of named places."""

from __future__ import annotations

import argparse

from dragoman.cli.output import emit, emit_json, table
from dragoman.core.failpoints import FAILPOINTS

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""
    parser.epilog = "Arm one with DRAGOMAN_FAILPOINT=name:nth:action, action one of kill, raise, sleep."


def run(args: argparse.Namespace) -> int:
    """Print the registry as ``[{name, where, when}]`` or as a table."""
    if args.json:
        emit_json([point._asdict() for point in FAILPOINTS.values()])
    else:
        emit(table(("NAME", "WHERE", "WHEN"), FAILPOINTS.values()))
    return 0
