"""The report of a run: what ``dragoman run --json``, the task log and the asset event say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.ledger.rows import REPLAY, Run
from dragoman.steps.accounting import FIGURES
from dragoman.steps.workplace import Workplace

__all__ = ["report_of", "summary"]

_ORDER = {"source": 0, "translation": 1, "delivery": 2}
UNPROVEN = (
    "the same final state after retries: the destination's role may not write _dragoman_delivery, so no proof of "
    "delivery is kept there, and a writer that was taken over is not fenced off"
)
"""The guarantee of a delivery that keeps no proof, in place of its connector's."""
_NOT_COUNTED = {"kind", "state", "nothing_new", "unproven", "guarantee"}
_SILENT = ("nothing_new", "rejected_lines", "no_route", "deletions", "deleted")


def report_of(place: Workplace, run_id: str) -> dict[str, Any]:
    """The run's five figures, its nodes, its state and why it is red, as JSON-able values."""
    run = place.ledger.run(run_id)
    rows = sorted(place.ledger.nodes(run_id), key=lambda row: _ORDER.get(row.kind, len(_ORDER)))
    nodes: dict[str, dict[str, Any]] = {}
    for row in rows:
        nodes[row.node] = {"kind": row.kind, "state": row.state, **_said(row.counts)}
        if row.counts.get("unproven"):
            nodes[row.node]["guarantee"] = UNPROVEN
    return {
        "integration": run.integration,
        "run_id": run.run_id,
        "state": run.state,
        "kind": run.kind,
        "interval": run.interval,
        **_figures(run, nodes),
        "deleted": sum(counts.get("deleted", 0) for counts in nodes.values()),
        "balanced": run.finished and run.state in {"done", "nothing_new", "in_doubt"},
        "seconds": round(run.seconds, 3),
        "late": run.late_at is not None,
        "receipts": run.figures.get("receipts"),
        "tries": run.tries,
        "nodes": nodes,
        "error": {"code": run.error_code, "message": run.error} if run.error else None,
    }


def _said(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts without those that say something only where they are not zero."""
    return {name: number for name, number in counts.items() if number or name not in _SILENT}


def _figures(run: Run, nodes: dict[str, dict[str, Any]]) -> dict[str, int]:
    if run.figures and (run.finished or run.state == "held"):
        return {figure: run.figures.get(figure, 0) for figure in FIGURES}
    return {
        figure: sum(counts.get(figure, 0) for counts in nodes.values() if isinstance(counts.get(figure, 0), int))
        for figure in FIGURES
    }


def _interval(report: Mapping[str, Any]) -> str:
    interval = report.get("interval")
    if report.get("kind") == REPLAY:
        return " replay:"
    return f" backfill {interval[0]} to {interval[1]}:" if interval else ""


def summary(report: dict[str, Any]) -> str:
    """The report as a small text table."""
    lines = [
        f"{report['integration']}:{_interval(report)} {report['state']} in {report['seconds']} s "
        f"(run {report['run_id']})",
        "  ".join(f"{figure} {report[figure]}" for figure in FIGURES)
        + (f"  (of them deletions {report['deleted']})" if report.get("deleted") else ""),
    ]
    lines += [
        f"  {name:<24} " + "  ".join(f"{key} {value}" for key, value in counts.items() if key not in _NOT_COUNTED)
        for name, counts in report["nodes"].items()
    ]
    lines += [f"  {name}: {one['guarantee']}" for name, one in report["nodes"].items() if "guarantee" in one]
    if report.get("error"):
        lines.append(f"{report['error']['message']}")
    return "\n".join(lines)
