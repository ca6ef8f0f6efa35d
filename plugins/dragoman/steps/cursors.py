"""Where the next live run begins: shown, and put elsewhere by a person. Each change is written to the audit."""

from __future__ import annotations

from typing import Any

from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.flow import Flow, StreamSpec
from dragoman.ledger.rows import CursorRow
from dragoman.steps.deletes.vanished import MARK
from dragoman.steps.workplace import Workplace

__all__ = ["cursor_of_text", "cursors_of", "put_cursor"]


def cursors_of(flow: Flow, place: Workplace, node: str = "") -> list[CursorRow]:
    """The cursor of each stream that has one, or of one node; ``value`` is None before the first run."""
    known = {row.node: row for row in place.ledger.cursors(flow.integration)}
    return [known.get(stream.node, CursorRow(stream.node, None, "")) for stream in _streams(flow, node)]


def put_cursor(flow: Flow, place: Workplace, node: str, cursor: dict[str, Any] | None) -> list[CursorRow]:
    """Put the cursor of one stream somewhere, or take it away (None): the next live run then reads from the beginning.

    With the cursor goes the key set of ``deletes: compare``: what the next run finds is the first one again.
    ``FatalError`` ``cursor.run_unfinished`` where a live run has not ended: it would move the cursor by its own.
    """
    streams = _streams(flow, node, resetting=cursor is None)
    if len(streams) > 1 and cursor is not None:
        raise ConfigError(
            "cursor.which",
            f"{flow.integration} has several cursors: {', '.join(stream.node for stream in streams)}",
            next_step="name one by --node",
        )
    with place.ledger.take_lease(flow.integration) as lease:
        run = place.ledger.unfinished_run(flow.integration)
        if run is not None:
            raise FatalError(
                "cursor.run_unfinished",
                f"run {run.run_id} of {flow.integration} is {run.state} and will move the cursor when it ends",
                next_step=f"dragoman run {flow.integration} finishes it, dragoman abandon {run.run_id} gives it up",
            )
        for stream in streams:
            forget = () if cursor is not None else (MARK,)
            place.ledger.put_cursor(flow.integration, lease.token, stream.node, cursor, place.actor, forget=forget)
    known = {row.node: row for row in place.ledger.cursors(flow.integration)}
    return [known.get(stream.node, CursorRow(stream.node, None, "")) for stream in streams]


def cursor_of_text(text: str) -> dict[str, Any]:
    """A cursor at a value in the source's own text; the records at that very value are read too."""
    if not text:
        raise ConfigError("cursor.no_value", "the cursor's value is empty", next_step="dragoman cursor set NAME VALUE")
    whole = text.removeprefix("-").isdigit() and str(int(text)) == text
    return {"value": int(text) if whole else text, "put": True}


def _streams(flow: Flow, node: str, *, resetting: bool = False) -> list[StreamSpec]:
    kept = [
        stream for stream in flow.streams if stream.cursor is not None or (resetting and stream.deletes is not None)
    ]
    found = [stream for stream in kept if node in {"", stream.node}]
    if not found:
        names = ", ".join(stream.node for stream in flow.streams if stream.cursor is not None)
        raise ConfigError(
            "cursor.none",
            f"{flow.integration} has no cursor at {node or 'any of its sources'}",
            next_step=f"correct --node: {names}" if names else "write cursor: {column: updated_at} in the source",
        )
    return found
