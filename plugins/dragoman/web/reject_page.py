"""Rejects for the web: without what the records hold, or with it; never more of the stage than one page needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman.core.batch import Reject
from dragoman.core.errors import DragomanError
from dragoman.ledger.rows import RejectRow
from dragoman.steps.workplace import Workplace

__all__ = ["MOST", "reject_page"]

MOST = 200

_PLAIN = ("run_id", "node", "stage", "code", "field", "position", "state")
_PAYLOAD = ("original", "mapped", "answer")


def reject_page(
    place: Workplace, integration: str, *, run_id: str, after: int, limit: int, payloads: bool
) -> dict[str, Any]:
    """``rejects``, newest first, and ``next``: the ``after`` of the next page, None on the last one.

    Without ``payloads`` nothing is told that quotes a record: neither its fields nor the sentence about them.
    """
    found = place.ledger.rejects_page(integration, run_id=run_id, after=after, limit=limit + 1)
    page, rest = found[:limit], found[limit:]
    shown = [{"id": number, **{name: getattr(row, name) for name in _PLAIN}} for number, row in page]
    if payloads:
        more = _payloads(place, [row for _number, row in page])
        shown = [entry | payload for entry, payload in zip(shown, more, strict=True)]
    return {"integration": integration, "rejects": shown, "next": page[-1][0] if rest else None}


def _payloads(place: Workplace, rows: Sequence[RejectRow]) -> list[dict[str, Any]]:
    files: dict[str, list[Reject]] = {}
    gone: dict[str, str] = {}
    for row in rows:
        if row.path in files or row.path in gone:
            continue
        try:
            files[row.path] = place.stage.load_rejects(row.path, row.sha256)
        except DragomanError as error:
            gone[row.path] = error.message
    return [_payload(row, files.get(row.path), gone.get(row.path)) for row in rows]


def _payload(row: RejectRow, rejects: list[Reject] | None, gone: str | None) -> dict[str, Any]:
    """``gone`` says why the stage no longer has it; the sentence still counts then."""
    reject = rejects[row.row] if rejects else None
    payload = {"message": row.message, **{name: getattr(reject, name, None) for name in _PAYLOAD}}
    return payload | ({"gone": gone} if gone else {})
