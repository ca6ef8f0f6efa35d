"""``dragoman prove NAME KEY``: whether, when and as what a record was delivered."""

from __future__ import annotations

import argparse
import json
from typing import Any

from dragoman.cli.known import known_integration
from dragoman.cli.output import emit, emit_json
from dragoman.steps.proof.prove import Proof, prove
from dragoman.steps.workplace import open_workplace

__all__ = ["add_arguments", "run"]

_WORDS = {
    "rejected": "not delivered: rejected",
    "in_doubt": "nobody can tell whether it was delivered",
    "filtered": "not delivered: filtered",
    "not_delivered": "not delivered: its run has not come so far",
    "unknown": "not delivered by this run, and its stage is gone",
    "never_seen": "never seen: no receipt, no reject, and no record in the stage that is kept",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The key as the delivery's ``key:`` has it."""
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")
    parser.add_argument(
        "key",
        metavar="KEY",
        help="column=value,… of the delivery's key, else of the cursor's id, else _rid=RUN:ID; or a JSON object",
    )
    parser.add_argument("--delivery", metavar="D", default="", help="only the receipts of this delivery")


def run(args: argparse.Namespace) -> int:
    """0 where it was delivered, 1 where not."""
    place = open_workplace()
    try:
        proof = prove(place, known_integration(place, args.name), args.key, args.delivery)
    finally:
        place.close()
    if args.json:
        emit_json({**vars(proof), "delivered": proof.delivered})
    else:
        _print(proof)
    return 0 if proof.delivered else 1


def _print(proof: Proof) -> None:
    for one in proof.deliveries:
        _print_delivery(one)
    if proof.deliveries:
        return
    facts = proof.otherwise or {}
    emit(_WORDS[proof.outcome])
    for name in ("run_id", "node", "position", "stage", "code", "field", "message", "reasons", "state", "original"):
        if facts.get(name):
            emit(f"    {name.replace('_id', '')}: {facts[name]}")


def _print_delivery(one: dict[str, Any]) -> None:
    emit(f"{one['outcome']} {one['when']} by {one['delivery']} of run {one['run_id']}")
    lines = {
        "record": f"{one['record']}, batch {one['batch']}" + (f", {one['position']}" if one["position"] else ""),
        "version": one["version"] or "no longer in the ledger",
        "remote id": one["remote_id"],
        "output": json.dumps(one["output"], ensure_ascii=False) if one.get("output") is not None else None,
        "receipt": f"link {one['receipt']['number']}, sha256 {one['receipt']['sha256']}",
        "chain": one["receipt"]["chain"],
        "file": one["receipt"]["path"],
    }
    for name, text in lines.items():
        if text:
            emit(f"    {name}: {text}")
    for fault in one["receipt"].get("faults", ()):
        emit(f"    NOT INTACT: {fault}")
