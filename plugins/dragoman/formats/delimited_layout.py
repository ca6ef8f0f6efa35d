"""Where the records of a piece of delimited text begin and end, exactly, whatever its quoted fields hold.

The fast way serves text whose quoting is strictly that of RFC 4180 (a quote only at a field's edge, or doubled
within): then a line end is a record's end where an even number of quotes stands before it, and NumPy finds them all.
Anything else (a stray quote in an unquoted field, an escape character, a lone carriage return) is walked through
record by record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Layout", "Splitter"]

_NEWLINE = 10
_RETURN = 13

Offsets = npt.NDArray[np.int64]


@dataclass
class Layout:
    """The whole records of a piece.

    ``ends``: for each record the offset behind its line end. ``lines``: the line on which it begins, 0 for the
    piece's first. ``after``: the number of lines that they cover together. ``torn``: indices of records that have
    text behind a closing quote.
    """

    ends: Offsets
    lines: Offsets
    after: int
    torn: list[int] = field(default_factory=list)

    @property
    def cut(self) -> int:
        """The offset behind the last whole record."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def starts(self) -> Offsets:
        """For each record the offset of its first byte."""
        starts = np.empty_like(self.ends)
        starts[:1] = 0
        starts[1:] = self.ends[:-1]
        return starts

    def blanks(self, data: bytes) -> Offsets:
        """Indices of the records that are empty lines."""
        starts = self.starts()
        sizes = self.ends - starts
        short = np.flatnonzero(sizes <= 2)
        blank = [at for at in short.tolist() if not data[starts[at] : self.ends[at]].strip(b"\r\n")]
        return np.array(blank, dtype=np.int64)


class Splitter:
    """Finds records. ``delimiter``, ``quote`` and ``escape`` are single bytes; an empty quote or escape is none."""

    def __init__(self, delimiter: bytes, quote: bytes, escape: bytes) -> None:
        self._delimiter = delimiter[0]
        self._quote = quote
        self._escape = escape
        self._record, self._sound = _patterns(delimiter, quote, escape)

    def split(self, data: bytes) -> Layout:
        """The whole records at the beginning of ``data``; what follows the last of them is not whole yet."""
        if not self._escape and (b"\r" not in data or data.count(b"\r") == data.count(b"\r\n")):
            fast = self._by_parity(data)
            if fast is not None:
                return fast
        return self._walk(data)

    def _by_parity(self, data: bytes) -> Layout | None:
        text = np.frombuffer(data, dtype=np.uint8)
        newlines = np.flatnonzero(text == _NEWLINE)
        if not self._quote or self._quote not in data:
            return Layout(newlines + 1, np.arange(len(newlines)), len(newlines))
        quote = self._quote[0]
        quotes = np.flatnonzero(text == quote)
        opening, closing = quotes[0::2], quotes[1::2]
        before = text[opening[1:] - 1] if opening[0] == 0 else text[opening - 1]
        behind = text[closing[:-1] + 1] if len(closing) and closing[-1] == len(data) - 1 else text[closing + 1]
        edge = (before == self._delimiter) | (before == _NEWLINE) | (before == quote)
        if not edge.all():
            return None
        edge = (behind == self._delimiter) | (behind == _NEWLINE) | (behind == quote) | (behind == _RETURN)
        if not edge.all():
            return None
        ending = np.flatnonzero((np.searchsorted(quotes, newlines) & 1) == 0)
        if not len(ending):
            return Layout(newlines[:0], newlines[:0], 0)
        lines = np.empty_like(ending)
        lines[0] = 0
        lines[1:] = ending[:-1] + 1
        return Layout(newlines[ending] + 1, lines, int(ending[-1]) + 1)

    def _walk(self, data: bytes) -> Layout:
        ends: list[int] = []
        lines: list[int] = []
        torn: list[int] = []
        at = line = 0
        quote = self._quote
        while (match := self._record.match(data, at)) is not None:
            end = match.end()
            if end == len(data) and data.endswith(b"\r"):
                break  # a line feed may follow
            lines.append(line)
            record = data[at:end]
            if quote and quote in record and self._sound.fullmatch(record) is None:
                torn.append(len(ends))
            line += record.count(b"\n") + record.count(b"\r") - record.count(b"\r\n")
            ends.append(end)
            at = end
        return Layout(np.array(ends, dtype=np.int64), np.array(lines, dtype=np.int64), line, torn)


def _has_lone_return(data: bytes) -> bool:
    if b"\r" not in data:
        return False
    text = np.frombuffer(data, dtype=np.uint8)
    returns = np.flatnonzero(text == _RETURN)
    if returns[-1] == len(text) - 1:
        returns = returns[:-1]  # the piece ends in the middle of a line end
    return not bool((text[returns + 1] == _NEWLINE).all())


def _patterns(delimiter: bytes, quote: bytes, escape: bytes) -> tuple[re.Pattern[bytes], Any]:
    """A record as it may be read, and as it should be; possessive, so that no text makes them slow."""
    d, e = re.escape(delimiter), re.escape(escape)
    plain = rb"(?:[^" + d + e + rb"\r\n]++" + (rb"|" + e + rb"(?s:.)" if escape else rb"") + rb")*+"
    if not quote:
        record = re.compile(plain + rb"(?:" + d + plain + rb")*+(?:\r\n|\n|\r)")
        return record, record
    q = re.escape(quote)
    quoted = q + rb"(?:[^" + q + e + rb"]++|" + q + q + (rb"|" + e + rb"(?s:.)" if escape else rb"") + rb")*+" + q
    unquoted = rb"(?!" + q + rb")" + plain
    loose = rb"(?:" + quoted + plain + rb"|" + unquoted + rb")"
    strict = rb"(?:" + quoted + rb"|" + unquoted + rb")"
    end = rb"(?:\r\n|\n|\r)"
    return (
        re.compile(loose + rb"(?:" + d + loose + rb")*+" + end),
        re.compile(strict + rb"(?:" + d + strict + rb")*+" + end),
    )
