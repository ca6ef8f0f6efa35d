"""``dragoman preview NAME``: real records before and after the translation, and the rejects; nothing is delivered."""

from __future__ import annotations

import argparse
import json

from dragoman.cli.connections import connection_store
from dragoman.cli.output import emit, emit_json
from dragoman.core.home import integrations_folder
from dragoman.language import find_flow
from dragoman.steps.preview import preview

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--limit``: how many records of each source."""
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="records of each source (default 20)")


def run(args: argparse.Namespace) -> int:
    """Print what the first records become."""
    flow = find_flow(args.name, integrations_folder())
    shown = preview(flow, connection_store(), max(1, args.limit))
    if args.json:
        shown["sources"] = {
            node: [json.loads(record) for record in records] for node, records in shown["sources"].items()
        }
        emit_json(shown)
        return 0
    for node, records in shown["sources"].items():
        emit(f"read from {node}: {len(records)}")
        for record in records:
            emit(f"  {record}")
    for node, outputs in shown["deliveries"].items():
        emit(f"for {node}: {len(outputs)}")
        for output in outputs:
            emit("  " + json.dumps(output, ensure_ascii=False, default=str))
    emit(f"rejected: {len(shown['rejects'])}")
    for reject in shown["rejects"]:
        emit(f"  {reject['position']}  {reject['field'] or '-'}  {reject['message']} [{reject['code']}]")
    return 0
