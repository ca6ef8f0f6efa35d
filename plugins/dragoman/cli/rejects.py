"""``dragoman rejects NAME``: rejected records with their reasons and their originals."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from dragoman.cli.known import known_integration
from dragoman.cli.output import emit, table
from dragoman.cli.selection import add_selection, wanted_of
from dragoman.core.errors import ConfigError, FatalError
from dragoman.ledger.reject_index import Wanted
from dragoman.ledger.rows import RejectRow
from dragoman.steps.replays.reject_payloads import RejectPayloads
from dragoman.steps.workplace import Workplace, open_workplace

__all__ = ["add_arguments", "run"]

STATES = ("open", "in_doubt", "replaying", "replayed", "dismissed", "delivered", "abandoned")
_PAYLOAD = ("original", "mapped", "answer")
_COLUMNS = ("id", "run_id", "state", "stage", "code", "field", "position", "message")
_PAGE = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Without ``--state`` those that somebody has to do something about."""
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")
    add_selection(parser)
    parser.add_argument(
        "--state", dest="states", metavar="S", action="append", choices=STATES, default=[], help=", ".join(STATES)
    )
    parser.add_argument("--all", action="store_true", help="whatever became of them")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many, oldest first")
    parser.add_argument("--after", type=int, default=0, metavar="ID", help="only those after this number")
    parser.add_argument("--export", metavar="FILE", help="write them to a file, a JSON object per line")


def run(args: argparse.Namespace) -> int:
    """Print the open ones and those in doubt, oldest first, page by page."""
    if args.limit is not None and args.limit < 1:
        raise ConfigError(
            "cli.bad_limit",
            f"--limit is {args.limit}, expected 1 or more",
            next_step="dragoman rejects NAME --limit 20",
        )
    place = open_workplace()
    try:
        name = known_integration(place, args.name)
        if args.run_id:
            _must_belong(place, args.run_id, name)
        every = args.all or (args.numbers and not args.states)
        wanted = wanted_of(args, () if every else tuple(args.states) or ("open", "in_doubt"))
        found = islice(_found(place, name, wanted, args.after), args.limit)
        if args.export:
            _export(found, args.export)
        elif args.json:
            _print_json(found)
        else:
            _print(found, name)
    finally:
        place.close()
    return 0


def _must_belong(place: Workplace, run_id: str, name: str) -> None:
    try:
        owner = place.ledger.run(run_id).integration
    except FatalError as error:
        raise ConfigError(error.code, error.message, next_step=f"dragoman runs {name}") from error
    if owner != name:
        raise ConfigError(
            "run.of_another",
            f"the run {run_id} is one of {owner!r}, not of {name!r}",
            next_step=f"dragoman rejects {owner} --run {run_id}",
        )


def _found(place: Workplace, name: str, wanted: Wanted, after: int) -> Iterator[dict[str, Any]]:
    payloads, gone = RejectPayloads(place.stage), set[str]()
    while page := place.ledger.rejects_after(name, wanted, after=after, limit=_PAGE):
        for number, row in page:
            yield _shown(number, row, payloads, gone)
        after = page[-1][0]


def _shown(number: int, row: RejectRow, payloads: RejectPayloads, gone: set[str]) -> dict[str, Any]:
    """Where the stage no longer gives a payload, a word on stderr: the reasons still count."""
    first = corrected = None
    if row.path not in gone:
        try:
            first, corrected = payloads.first(row), payloads.corrected(row)
        except FatalError as error:
            gone.add(row.path)
            sys.stderr.write(f"the originals cannot be shown: {error}\n")
    return {
        "id": number,
        "run_id": row.run_id,
        "node": row.node,
        "state": row.state,
        "code": row.code,
        "field": row.field,
        "message": row.message,
        "stage": row.stage,
        "position": row.position,
        **{name: getattr(first, name, None) for name in _PAYLOAD},
        "corrected": corrected.original if corrected else None,
        "replay_run": row.replay_run or None,
    }


def _export(found: Iterator[dict[str, Any]], path: str) -> None:
    count = 0
    try:
        with Path(path).open("w", encoding="utf-8") as file:
            for reject in found:
                file.write(json.dumps(reject, ensure_ascii=False) + "\n")
                count += 1
    except OSError as error:
        raise ConfigError(
            "rejects.unwritable", f"{path} cannot be written: {error.strerror}", next_step="name another file"
        ) from error
    emit(f"{count} written to {path}")


def _print_json(found: Iterator[dict[str, Any]]) -> None:
    """One JSON list, written as it is read."""
    mark = "["
    for reject in found:
        text = json.dumps(reject, ensure_ascii=False, indent=2)
        sys.stdout.write(f"{mark}\n{textwrap.indent(text, '  ')}")
        mark = ","
    sys.stdout.write("[]\n" if mark == "[" else "\n]\n")


def _print(found: Iterator[dict[str, Any]], name: str) -> None:
    headers = [column.upper().replace("RUN_ID", "RUN") for column in _COLUMNS]
    first = True
    while page := list(islice(found, _PAGE)):
        rows = [[_in_one_line(str(reject[column])) for column in _COLUMNS] for reject in page]
        head, line, *lines = table(headers, rows).split("\n")
        if first:
            emit(f"{head}\n{line}")
        first = False
        for text, reject in zip(lines, page, strict=True):
            emit(text)
            for part in (*_PAYLOAD, "corrected"):
                if reject[part]:
                    emit(f"    {part}: {reject[part]}")
    if first:
        emit(f"no open rejects of {name}")


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
