"""``dragoman correct NAME ID``: a rejected record as it should have been; the next replay sends that."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dragoman.cli.output import emit, emit_json
from dragoman.core.errors import ConfigError
from dragoman.core.home import integrations_folder
from dragoman.language import find_flow
from dragoman.steps.replays.mend import Change, correct
from dragoman.steps.workplace import open_workplace

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Either the whole record, or single fields."""
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")
    parser.add_argument("number", metavar="ID", type=int, help="the reject's number, as dragoman rejects lists it")
    parser.add_argument("--payload", metavar="FILE", help="the whole record as a JSON object; - for standard input")
    parser.add_argument(
        "--set",
        dest="changes",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="one field; of a JSON source the value is read as JSON, or as text where it is none; repeatable",
    )
    parser.add_argument(
        "--null", dest="nulls", metavar="FIELD", action="append", default=[], help="one field is NULL; repeatable"
    )


def run(args: argparse.Namespace) -> int:
    """Store the correction; the first original stays."""
    changes = dict(_pair(text) for text in args.changes)
    if (args.payload is not None) == bool(changes or args.nulls):
        raise ConfigError(
            "correct.how",
            "a correction is either the whole record or single fields",
            next_step=f"dragoman correct {args.name} {args.number} --set FIELD=VALUE, or --payload FILE",
        )
    change = Change(None if args.payload is None else _read(args.payload), changes, args.nulls)
    flow = find_flow(args.name, integrations_folder())
    place = open_workplace()
    try:
        done = correct(flow, place, args.number, change)
    finally:
        place.close()
    if args.json:
        emit_json(done)
    else:
        emit(f"reject {done['id']} is now {done['original']}")
        emit(f"send it: dragoman replay {flow.integration} --reject {done['id']}")
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise ConfigError("correct.how", f"--set {text} is no FIELD=VALUE", next_step="--set amount=12.50")
    return name, value


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "correct.no_file", f"{path} cannot be read: {error}", next_step="write the record as JSON in UTF-8"
        ) from error
