"""``dragoman verify RUN``: whether its receipts still prove what they proved."""

from __future__ import annotations

import argparse

from dragoman.cli.connections import connection_store
from dragoman.cli.output import emit, emit_json
from dragoman.core.errors import ConfigError
from dragoman.steps.proof.verify import Verdict, check_integration, verify_all, verify_run
from dragoman.steps.workplace import open_workplace

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A run; or with ``--all`` an integration, or none for all of them."""
    parser.add_argument("run_id", metavar="RUN", nargs="?", help="the run's id; with --all an integration's")
    parser.add_argument(
        "--all", action="store_true", dest="whole", help="the whole chain, of one integration or of every one"
    )


def run(args: argparse.Namespace) -> int:
    """0 where all is sound, 1 where anything is not."""
    if not args.run_id and not args.whole:
        raise ConfigError("cli.usage", "verify needs a RUN, or --all", next_step="dragoman verify --all")
    place = open_workplace(connection_store())
    try:
        if args.whole:
            names = [check_integration(place, args.run_id)] if args.run_id else place.ledger.known_integrations()
            verdicts = [verify_all(place, name) for name in names]
        else:
            verdicts = [verify_run(place, args.run_id)]
    finally:
        place.close()
    if args.json:
        emit_json([one.as_dict() for one in verdicts] if args.whole else verdicts[0].as_dict())
    else:
        for verdict in verdicts:
            _print(verdict)
    return 0 if all(verdict.sound for verdict in verdicts) else 1


def _print(verdict: Verdict) -> None:
    about = f"run {verdict.run_id} of {verdict.integration}" if verdict.run_id else verdict.integration
    said = "sound" if verdict.sound else f"{len(verdict.faults)} fault(s)"
    emit(f"{about}: {said}; {verdict.receipts} receipts in {verdict.sidecars} sidecars, {verdict.proofs} proofs")
    if verdict.chain:
        emit(f"  last link {verdict.number}: {verdict.chain}")
    for fault in verdict.faults:
        emit(f"  {fault.what} [{fault.code}]")
    for text in verdict.not_looked_at:
        emit(f"  not looked at: {text}")
