"""Reading one interval of the cursor, for a backfill: no position is gone on from, and none is kept.

The API is asked from the beginning of the interval (less the overlap, for APIs that compare with ``>``) and all that
lies outside is dropped here, whatever the API sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.connectors.http.cursor_value import CursorValue, read_text
from dragoman.connectors.http.position import Position
from dragoman.core.errors import ConfigError

__all__ = ["IntervalPosition"]


class IntervalPosition(Position):
    """``interval``: from, and up to but not including, as the API writes its values, or moments in ISO 8601."""

    def __init__(self, cursor: Mapping[str, Any], zone: str, interval: tuple[str, str]) -> None:
        first, last = (_end(text, zone) for text in interval)
        if first.kind != last.kind or first.order >= last.order:
            raise ConfigError(
                "backfill.interval",
                f"the interval from {interval[0]!r} to {interval[1]!r} holds nothing",
                next_step="write --from before --to, in one notation; --to itself is not read",
            )
        super().__init__(cursor, zone, {"value": first.text})
        self._first, self._last = first, last

    def judge(self, record: Mapping[str, msgspec.Raw]) -> str:
        """As for any reading; what lies outside is dropped for the reason ``outside_interval``."""
        value = self._value(record)
        if value.order < self._first.order or value.order >= self._last.order:
            return "outside_interval"
        return super().judge(record)

    def end(self) -> None:
        """A backfill leaves no position."""
        return


def _end(text: str, zone: str) -> CursorValue:
    value = read_text(text, zone)
    if value is None:
        raise ConfigError(
            "backfill.bound",
            f"the interval begins or ends at {text!r}, which is no value of a cursor",
            next_step="write --from and --to as the API writes the values of the cursor's column",
        )
    return value
