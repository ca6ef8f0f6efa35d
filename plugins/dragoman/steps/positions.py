"""Where the sources stand after a run, as destinations keep it with the proof of their delivery."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.steps.work import Work

__all__ = ["PENDING", "positions_of"]

PENDING = ">pending"
"""Among the positions: the deliveries that had not yet taken their part of the run. No source has such a name."""


def positions_of(work: Work, delivery: str = "") -> str:
    """Where the sources stand after this run, for the destination to keep; only a live run moves anything."""
    if not work.run.live:
        return "{}"
    rows = {row.node: row for row in work.place.ledger.nodes(work.run_id)}
    left: dict[str, dict[str, Any]] = {
        row.node: {"cursor": row.cursor, "marks": row.marks}
        for row in rows.values()
        if row.kind == "source" and (row.cursor is not None or row.marks)
    }
    pending = [
        spec.node
        for spec in work.flow.deliveries
        if spec.node != delivery
        and not (spec.node in rows and rows[spec.node].state == "done")
        and spec.input in rows
        and rows[spec.input].counts.get(f"routed.{spec.node}", 0)
    ]
    return msgspec.json.encode(left | ({PENDING: {"deliveries": pending}} if pending and left else {})).decode()
