"""``dragoman access sync``: the rights of ``access:`` into Airflow, now.

The API server does the same by itself; this is for those who want to see it, or do not let the server write rights. It
needs Airflow's own environment (its configuration and its database), and imports Airflow only here.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from contextlib import redirect_stdout
from typing import Any

from dragoman.cli.output import emit, emit_json
from dragoman.core.errors import ConfigError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One action so far."""
    parser.add_argument("action", choices=["sync"], help="give and take rights as the integrations say")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be given and taken")


def run(args: argparse.Namespace) -> int:
    """Print what was given and taken; 1 where another process is at it."""
    with redirect_stdout(sys.stderr):  # Airflow logs to stdout
        synced = _sync().synchronise(dry_run=args.dry_run)
    changes = synced.changes
    if args.json:
        emit_json({"integrations": synced.integrations, "busy": synced.busy, "wrong": synced.wrong, **vars(changes)})
    elif synced.busy:
        emit("another process is synchronising the rights right now: nothing was done")
    else:
        _print(synced, dry_run=args.dry_run)
    return 1 if synced.busy else 0


def _sync() -> Any:
    try:
        return importlib.import_module("dragoman.orchestration.rights.sync")
    except ImportError as error:
        raise ConfigError(
            "access.no_airflow",
            f"rights are Airflow's, and Airflow cannot be loaded here: {error}",
            next_step="run this where Airflow runs, with its environment",
        ) from error


def _print(synced: Any, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    changes = synced.changes
    for sentence in synced.wrong:
        emit(f"left out: {sentence}")
    for what, sentences in (
        (f"role {would}made", changes.roles_made),
        ("given", changes.given),
        ("taken", changes.taken),
    ):
        for sentence in sentences:
            emit(f"{what if ' ' in what else would + what}: {sentence}")
    several = "" if synced.integrations == 1 else "s"
    emit(f"{synced.integrations} integration{several} with access:" + ("" if changes else "; nothing to change"))
