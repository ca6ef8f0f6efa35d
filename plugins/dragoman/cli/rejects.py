"""``dragoman rejects NAME``: rejected records with their reasons and their originals."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from dragoman.cli.known import known_integration
from dragoman.cli.output import emit, emit_json, table
from dragoman.core.batch import Reject
from dragoman.core.errors import ConfigError, FatalError
from dragoman.ledger.rows import RejectRow
from dragoman.stage.store import Stage
from dragoman.steps.workplace import Workplace, open_workplace

__all__ = ["add_arguments", "run"]

_PAYLOAD = ("original", "mapped", "answer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--run`` narrows the list to one run."""
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")
    parser.add_argument("--run", dest="run_id", metavar="RUN", help="only those of this run")


def run(args: argparse.Namespace) -> int:
    """Print all open ones, oldest first."""
    place = open_workplace()
    try:
        name = known_integration(place, args.name)
        if args.run_id:
            _must_belong(place, args.run_id, name)
        found = _with_payloads(place.stage, place.ledger.open_rejects(name, args.run_id))
    finally:
        place.close()
    if args.json:
        emit_json(found)
    else:
        _print(found, name)
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


def _with_payloads(stage: Stage, rows: Sequence[RejectRow]) -> list[dict[str, Any]]:
    files: dict[str, list[Reject]] = {}
    found = []
    for row in rows:
        if row.path not in files:
            files[row.path] = _payloads(stage, row)
        payload = files[row.path][row.row] if files[row.path] else None
        found.append(
            {
                "run_id": row.run_id,
                "node": row.node,
                "code": row.code,
                "field": row.field,
                "message": row.message,
                "stage": row.stage,
                "position": row.position,
                **{name: getattr(payload, name, None) for name in _PAYLOAD},
            }
        )
    return found


def _payloads(stage: Stage, row: RejectRow) -> list[Reject]:
    """The file's rejects; none, and a word on stderr, where the stage no longer gives it: the reasons still count."""
    try:
        return stage.load_rejects(row.path, row.sha256)
    except FatalError as error:
        sys.stderr.write(f"the originals cannot be shown: {error}\n")
        return []


def _print(found: list[dict[str, Any]], name: str) -> None:
    if not found:
        emit(f"no open rejects of {name}")
        return
    columns = ("run_id", "stage", "code", "field", "position", "message")
    headers = [column.upper().replace("_ID", "") for column in columns]
    head, line, *lines = table(
        headers, [[_in_one_line(reject[column]) for column in columns] for reject in found]
    ).split("\n")
    emit(f"{head}\n{line}")
    for text, reject in zip(lines, found, strict=True):
        emit(text)
        for part in _PAYLOAD:
            if reject[part]:
                emit(f"    {part}: {reject[part]}")


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
