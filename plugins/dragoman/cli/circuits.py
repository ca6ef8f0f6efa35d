"""``dragoman connections [list|reset CONN_ID]``: the circuit breakers of connections that have failed."""

from __future__ import annotations

import argparse

import msgspec

from dragoman.cli.output import emit, emit_json, table
from dragoman.core import clock
from dragoman.core.errors import ConfigError
from dragoman.ledger.rows import CircuitRow
from dragoman.steps.workplace import open_workplace

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``list`` if nothing is said."""
    parser.add_argument("action", nargs="?", choices=("list", "reset"), default="list", help="list by default")
    parser.add_argument("name", nargs="?", metavar="CONN_ID", help="reset: the id of the connection")
    parser.epilog = (
        "A connection that fails several times in a row is left alone for a while (its circuit is open); then one run "
        "tries it, and if it works the circuit closes. reset closes it at once, which the audit keeps."
    )


def run(args: argparse.Namespace) -> int:
    """Show, or reset and show."""
    if args.action == "reset" and not args.name:
        raise ConfigError("cli.name_missing", "connections reset without a connection", next_step="write its id")
    place = open_workplace()
    try:
        if args.action == "reset":
            place.ledger.reset_circuit(args.name, place.actor)
        found = [one for one in place.ledger.circuits() if args.name in {None, one.connection}]
    finally:
        place.close()
    if args.json:
        emit_json([msgspec.to_builtins(one) for one in found])
    elif found:
        emit(table(("CONNECTION", "CIRCUIT", "FAILURES", "TRIED AGAIN", "LAST ERROR"), map(_shown, found)))
    else:
        emit("no connection has failed")
    return 0


def _shown(row: CircuitRow) -> tuple[str, ...]:
    until = "" if row.state == "closed" else f"{clock.moment_of(row.until):%Y-%m-%d %H:%M:%S} UTC"
    last = f"{row.error} [{row.code}]" if row.code else ""
    return (row.connection, row.state.replace("_", " "), str(row.failures + row.throttled), until, last[:120])
