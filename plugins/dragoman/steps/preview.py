"""Preview: the first records of each source, what the translations make of them, and what they reject.

It is a real run in a workplace of its own that is thrown away: the same reading, staging and translating. Nothing is
delivered, and no cursor of the real ledger is read or moved.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from dragoman.core.batch import RID, visible
from dragoman.core.connection import ConnectionStore
from dragoman.core.flow import Flow
from dragoman.ledger.ledger import open_ledger
from dragoman.stage.store import Stage
from dragoman.steps.chain import Chain, root_of
from dragoman.steps.extract import extract_stream
from dragoman.steps.kinds import observed
from dragoman.steps.rejects import original_of
from dragoman.steps.staged import staged_batches
from dragoman.steps.translate import translate_node
from dragoman.steps.work import Work, at_work
from dragoman.steps.workplace import Workplace

__all__ = ["preview"]


def preview(flow: Flow, connections: ConnectionStore, limit: int) -> dict[str, Any]:
    """``{sources: {node: [record]}, deliveries: {node: [output]}, rejects: [{…}]}`` of ``limit`` records at most."""
    with tempfile.TemporaryDirectory(prefix="dragoman-preview-") as folder:
        home = Path(folder)
        place = Workplace(
            home=home,
            ledger=open_ledger(f"sqlite:///{home / 'ledger.db'}"),
            stage=Stage(str(home / "stage")),
            connections=connections,
            actor="preview",
        )
        try:
            with at_work(flow, place) as work:
                work.read_limit = limit
                return _look(work)
        finally:
            place.close()


def _look(work: Work) -> dict[str, Any]:
    for source in work.flow.sources:
        for stream in source.streams:
            extract_stream(work, source, stream)
    for spec in work.flow.translations:
        translate_node(work, spec)
    shown: dict[str, Any] = {"sources": {}, "deliveries": {}, "rejects": []}
    for stream in work.flow.streams:
        shown["sources"][stream.node] = [
            original_of(batch.table, row)
            for batch in staged_batches(work, stream.node)
            for row in range(batch.table.num_rows)
        ]
    for row in work.place.ledger.open_rejects(work.flow.integration, work.run_id):
        shown["rejects"].append(
            {"code": row.code, "field": row.field, "message": row.message, "position": row.position}
        )
    seen: set[tuple[str, str]] = set()
    for delivery in work.flow.deliveries:
        root = root_of(work, delivery.input)
        chain = Chain(work, delivery.input, observed(work, root))
        outputs = shown["deliveries"].setdefault(delivery.node, [])
        for batch in staged_batches(work, root):
            made = chain.apply(batch)
            outputs.extend(_rows(made.shares[delivery.node]))
            for node, rejects in made.rejects.items():
                if (node, batch.batch_id) in seen:
                    continue
                shown["rejects"].extend(
                    {"code": one.code, "field": one.field, "message": one.message, "position": one.position}
                    for one in rejects
                )
            seen.update((node, batch.batch_id) for node in made.rejects)
    return shown


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    return list((visible(table) if RID in table.column_names else table).to_pylist())
