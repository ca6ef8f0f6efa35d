"""``dragoman cursor show|set|reset NAME``: where the next run begins to read, and how a person changes that."""

from __future__ import annotations

import argparse

from dragoman.cli.output import emit, emit_json, table
from dragoman.core.errors import ConfigError
from dragoman.core.home import integrations_folder
from dragoman.language import find_flow
from dragoman.ledger.rows import CursorRow
from dragoman.steps.cursors import cursor_of_text, cursors_of, put_cursor
from dragoman.steps.workplace import open_workplace

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``set`` takes a value in the source's own text; ``--node`` names the stream where there are several."""
    parser.add_argument("what", metavar="show|set|reset", choices=("show", "set", "reset"), help="what to do")
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")
    parser.add_argument(
        "value", metavar="VALUE", nargs="?", help="set: the next run reads records whose cursor is VALUE or later"
    )
    parser.add_argument("--node", default="", metavar="N", help="the source's node, where there are several")


def run(args: argparse.Namespace) -> int:
    """Show or change, and print what holds then."""
    if args.what == "set" and args.value is None:
        raise ConfigError(
            "cursor.no_value", "cursor set takes a value", next_step=f"dragoman cursor set {args.name} VALUE"
        )
    if args.what != "set" and args.value is not None:
        raise ConfigError(
            "cursor.value",
            f"cursor {args.what} takes no value, and found {args.value!r}",
            next_step=f"dragoman cursor {args.what} {args.name}",
        )
    flow = find_flow(args.name, integrations_folder())
    place = open_workplace()
    try:
        if args.what == "show":
            found = cursors_of(flow, place, args.node)
        else:
            wanted = cursor_of_text(args.value) if args.what == "set" else None
            found = put_cursor(flow, place, args.node, wanted)
    finally:
        place.close()
    if args.json:
        emit_json([_shown(row) for row in found])
    else:
        emit(table(("NODE", "CURSOR", "ID", "MOVED BY"), [tuple(_shown(row).values()) for row in found]))
    return 0


def _shown(row: CursorRow) -> dict[str, object]:
    if row.value is None:
        return {"node": row.node, "value": "", "id": "", "moved_by": "none yet: the next run reads from the beginning"}
    last = row.value.get("id")
    by = f"run {row.run_id}" if row.run_id else "a person"
    return {"node": row.node, "value": row.value["value"], "id": "" if last is None else last, "moved_by": by}
