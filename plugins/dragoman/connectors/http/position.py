"""How far a stream has been read, and which records within the overlap were read before.

The position is the greatest cursor value that was read, in the source's own text. The next run asks from an overlap
before it, so that records which became visible late are not lost; the records of the overlap come again, and those
whose content is known are dropped, so that nothing is doubled. An API may compare with ``>=`` or, given an overlap,
with ``>``.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.connectors.http.cursor_value import CursorValue, read_text, read_value
from dragoman.core.errors import ConfigError, FatalError, RecordError

__all__ = ["REMEMBERED", "Position"]

REMEMBERED = 10_000
"""Records of the overlap whose content is remembered; of more, the oldest come again as if they were new."""

_NULL = msgspec.Raw(b"null")


class Position:
    """One stream's position during one reading.

    Args:
        cursor: The language's ``cursor``: column, id, overlap (seconds) and param.
        zone: The time zone of timestamps without an offset.
        committed: What ``end`` gave at the last closed run, or None.
    """

    def __init__(self, cursor: Mapping[str, Any], zone: str, committed: Mapping[str, Any] | None) -> None:
        self._column = str(cursor["column"])
        self._id = str(cursor.get("id") or "")
        self._overlap = float(cursor.get("overlap") or 0.0)
        self._param = str(cursor.get("param") or "")
        self._zone = zone
        self._committed = dict(committed) if committed else None
        self._seen: frozenset[str] = frozenset(committed.get("seen", ()) if committed else ())
        self._top: CursorValue | None = self._restored()
        self._top_id = str(committed.get("id") or "") if committed else ""
        self._begin = self._top.order if self._top else None
        self._floor = self._low()
        self._recent: list[tuple[Any, str]] = []
        self._known: set[str] = set()

    @property
    def params(self) -> dict[str, str]:
        """What asks the API for new records only; nothing at the first reading."""
        return {self._param: self._floor.text} if self._floor is not None and self._param else {}

    def judge(self, record: Mapping[str, msgspec.Raw]) -> str:
        """Why a record is dropped (``duplicate``, ``before_cursor``); empty where it is handed on.

        Raises ``RecordError`` (``cursor.missing``, ``cursor.unreadable``) where it has no place in the order.
        """
        value = self._value(record)
        if self._floor is not None and value.order < self._floor.order:
            return "before_cursor"
        content = _digest(record)
        twice = bool(self._id) and content in self._known
        if not twice:
            self._remember(value, content)
        self._advance(value, record)
        return "duplicate" if twice or content in self._seen else ""

    def end(self) -> dict[str, Any] | None:
        """The position to commit; None where there is none yet."""
        if self._top is None:
            return None
        low = self._low()
        order = self._top.order if low is None else low.order
        seen = [content for at, content in sorted(self._recent, reverse=True) if at >= order]
        if self._top.order == self._begin:
            seen += sorted(self._seen - set(seen))
        return {"value": self._top.text, "id": self._top_id, "seen": seen[:REMEMBERED]}

    def _value(self, record: Mapping[str, msgspec.Raw]) -> CursorValue:
        token = record.get(self._column, _NULL)
        if bytes(token) == b"null":
            raise RecordError(
                "cursor.missing",
                f"the record has no {self._column}, by which the reading goes on from run to run",
                next_step="name a column that every record has under cursor:",
                field=self._column,
            )
        value = read_value(token, self._zone)
        if value is None or (self._top is not None and value.kind != self._top.kind):
            wanted = f"a {self._top.kind} as in the records before" if self._top else "a timestamp, number or text"
            raise RecordError(
                "cursor.unreadable",
                f"{self._column} is {bytes(token)[:60].decode('utf-8', 'replace')}, expected {wanted}",
                next_step="have the record corrected, or name another column under cursor:",
                field=self._column,
            )
        return value

    def _advance(self, value: CursorValue, record: Mapping[str, msgspec.Raw]) -> None:
        if self._top is not None and value.order < self._top.order:
            return
        own_id = bytes(record.get(self._id, b"")).decode() if self._id else ""
        if self._top is None or value.order > self._top.order or _greater(own_id, self._top_id):
            self._top, self._top_id = value, own_id

    def _remember(self, value: CursorValue, content: str) -> None:
        self._known.add(content)
        if len(self._recent) < REMEMBERED:
            heapq.heappush(self._recent, (value.order, content))
            return
        _, gone = heapq.heappushpop(self._recent, (value.order, content))
        self._known.discard(gone)

    def _low(self) -> CursorValue | None:
        """The position less the overlap."""
        if self._top is None:
            return None
        low = self._top.minus(self._overlap, self._zone)
        if low is None:
            raise ConfigError(
                "http.overlap",
                f"an overlap cannot be taken from {self._top.text[:60]!r}, the last {self._column}",
                next_step="leave overlap out, or name a column with timestamps or numbers under cursor:",
            )
        return low

    def _restored(self) -> CursorValue | None:
        if self._committed is None:
            return None
        value = read_text(str(self._committed.get("value", "")), self._zone)
        if value is None:
            raise FatalError(
                "http.cursor",
                f"the position of the last run, {str(self._committed)[:100]}, cannot be read",
                next_step="the cursor of this stream in the ledger was changed by hand: correct it",
            )
        return value


def _digest(record: Mapping[str, msgspec.Raw]) -> str:
    """A fingerprint of all that a record says, whatever the order of its keys."""
    text = b"\0".join(part for name in sorted(record) for part in (name.encode(), record[name]))
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _greater(one: str, other: str) -> bool:
    """Whether one id (a raw JSON token) lies behind another: numbers as numbers, anything else as text."""
    left = read_value(one.encode(), "") if one else None
    right = read_value(other.encode(), "") if other else None
    if left is None or right is None or left.kind != right.kind:
        return one > other
    return bool(left.order > right.order)
