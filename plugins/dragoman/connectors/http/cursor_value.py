"""A cursor's value in the source's own text, and how two of them compare.

Timestamps are compared as moments and numbers as numbers, never as text: ``10:00:00.5Z`` lies before ``10:00:00.75Z``
and ``9`` before ``10``. What is sent back to the API keeps the way it was written: offset, digits and separators.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

__all__ = ["CursorValue", "read_value"]

_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:(?P<part>[Tt ])(?P<clock>\d\d:\d\d(?P<seconds>:\d\d)?)(?:(?P<mark>[.,])(?P<fraction>\d{1,12}))?"
    r"(?P<gap> ?)(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?)?"
)
_DIGITS = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?")
_PICO = 10**12
_START = datetime(1970, 1, 1)  # noqa: DTZ001 - local clock readings are counted from here, offsets are added apart


@dataclass(frozen=True)
class CursorValue:
    """``text`` is the source's own; ``kind`` is moment, number or text; ``order`` compares within a kind."""

    text: str
    kind: str
    order: Any

    def minus(self, seconds: float, zone: str = "") -> CursorValue | None:
        """The value that lies an overlap before this one (in a number's own unit); None where text has none."""
        if not seconds:
            return self
        if self.kind == "number":
            step = Decimal(str(seconds))
            low = Decimal(self.text) - (step.to_integral_value() if step == step.to_integral_value() else step)
            text = f"{low:f}"
            return CursorValue(text.zfill(len(self.text)) if self.text[0] == "0" else text, "number", low)
        match = _ISO.fullmatch(self.text)
        return None if self.kind == "text" or match is None else _earlier(match, seconds, zone)


def read_value(token: bytes | msgspec.Raw, zone: str = "") -> CursorValue | None:
    """Read a raw JSON token; None where it is no value that can order records.

    Args:
        token: A JSON string or number, as the record holds it.
        zone: The time zone of timestamps that have no offset; UTC where it is empty.
    """
    word = bytes(token).decode()
    if word[:1] == '"':
        return read_text(json.loads(word), zone)
    if word[:1] in "{[tfn":
        return None
    try:
        return CursorValue(word, "number", Decimal(word))
    except InvalidOperation:
        return None


def read_text(text: str, zone: str = "") -> CursorValue | None:
    """Read a text: a moment in ISO 8601, digits, or any text (which compares as such); None where it is empty."""
    match = _ISO.fullmatch(text)
    if match is not None:
        order = _moment(match, zone)
        return None if order is None else CursorValue(text, "moment", order)
    if _DIGITS.fullmatch(text):
        return CursorValue(text, "number", Decimal(text))
    return CursorValue(text, "text", text) if text.strip() else None


def _local(match: re.Match[str]) -> int | None:
    """The reading of the calendar and the clock, in picoseconds; offsets aside."""
    try:
        stamp = datetime.fromisoformat(f"{match['date']}T{match['clock'] or '00:00'}")
    except ValueError:
        return None
    whole = (stamp - _START) // timedelta(seconds=1)
    return whole * _PICO + int((match["fraction"] or "0").ljust(12, "0"))


def _moment(match: re.Match[str], zone: str) -> int | None:
    local = _local(match)
    if local is None:
        return None
    offset = match["offset"]
    if offset in {"Z", "z"} or (offset is None and not zone):
        return local
    if offset is None:
        stamp = _START + timedelta(seconds=local // _PICO)
        ahead = stamp.replace(tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
    else:
        digits = offset[1:].replace(":", "").ljust(4, "0")
        ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) * (-1 if offset[0] == "-" else 1)
    return local - int(ahead / timedelta(seconds=1)) * _PICO


def _earlier(match: re.Match[str], seconds: float, zone: str) -> CursorValue | None:
    """The same notation, earlier; what it cannot write is cut off, which is earlier still."""
    local = _local(match)
    if local is None:
        return None
    low = local - int(Decimal(str(seconds)) * _PICO)
    try:
        stamp = _START + timedelta(seconds=low // _PICO)
    except OverflowError:
        return None
    text = stamp.strftime("%Y-%m-%d").rjust(10, "0")
    if match["clock"]:
        text += match["part"] + stamp.strftime("%H:%M:%S" if match["seconds"] else "%H:%M")
        if match["fraction"]:
            text += match["mark"] + str(low % _PICO).rjust(12, "0")[: len(match["fraction"])]
        text += match["gap"] + (match["offset"] or "")
    return read_text(text, zone)
