"""``dragoman purge``: the housekeeping, by hand."""

from __future__ import annotations

import argparse

from dragoman.cli.connections import connection_store
from dragoman.cli.output import emit, emit_json
from dragoman.core.home import integrations_folder
from dragoman.steps.purge import Purged, purge
from dragoman.steps.workplace import open_workplace

__all__ = ["add_arguments", "run"]

_LINES = (
    ("stage_runs", "runs whose batches {verb} removed"),
    ("reject_runs", "runs whose rejects {verb} removed"),
    ("history_runs", "runs {verb} removed from the history"),
    ("receipt_links", "links {verb} removed from the chains of receipts"),
    ("receipt_files", "files of receipts {verb} merged or swept"),
    ("proofs", "batches {verb} forgotten at destinations"),
)
_LISTS = (
    ("orphans", "stage without a run {verb} removed"),
    ("leases", "lost lease {verb} freed"),
    ("left_open", "left open by its process"),
    ("failed", "{verb} marked as failed; the next run goes on with it"),
    ("left_alone", "left alone: its file is broken or gone, and some file is broken"),
    ("problems", "problem"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is old enough is decided by ``policy.retention`` alone."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def run(args: argparse.Namespace) -> int:
    """One round; 1 where something could not be looked at."""
    place = open_workplace(connection_store())
    try:
        done = purge(place, integrations_folder(), dry_run=args.dry_run)
    finally:
        place.close()
    if args.json:
        emit_json(done.as_dict())
    else:
        _print(done)
    return 1 if done.problems else 0


def _print(done: Purged) -> None:
    verb = "would be" if done.dry_run else "were"
    for name, text in _LINES:
        emit(f"{getattr(done, name):>8}  {text.format(verb=verb)}")
    for name, text in _LISTS:
        for one in getattr(done, name):
            emit(f"{text.format(verb='would be' if done.dry_run else 'was')}: {one}")
