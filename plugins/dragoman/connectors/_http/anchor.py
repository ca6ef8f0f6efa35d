"""The anchor of an offset reading: each page begins with the last record of the page before, and has to.

An offset counts records that may come and go between two requests. Where some go, all behind them move up, and as many
that nobody ever touched are skipped in silence. So each page is asked for one record earlier: does it begin with the
record that ended the page before, nothing has moved. Does that record stand further down, as many were put in before
it, and the reading goes on behind it. Is it not there at all, the reading is red and another one may see the list
whole. An empty page that does not even have the anchor is no end either.
"""

from __future__ import annotations

import msgspec

from dragoman.connectors._http.document import Page
from dragoman.core.errors import RetriableError

__all__ = ["Anchor"]

OFF = "none"


class Anchor:
    """``field`` tells records apart (empty: all that they say); ``held`` is whether pages overlap by one record."""

    def __init__(self, field: str, *, held: bool) -> None:
        self._field = field
        self._last = b""
        self._several = False
        self._there = ""
        self.held = held
        self.moved = 0
        """How many records were put in before the anchor since the reading began."""

    @property
    def back(self) -> int:
        """How many records earlier the next page is asked for; none behind a page of one, which would come again."""
        return int(self.held and self._several)

    def fresh(self, page: Page) -> Page:
        """The page without what the last one brought.

        Raises:
            RetriableError: ``http.drift``: the anchor is not there.
        """
        items, start = page.items, 0
        if self.back:
            names = [self._named(item) for item in items]
            if self._last not in names:
                raise RetriableError(
                    "http.drift",
                    f"page {page.number} ({page.answer.location.shown}) does not begin with the record that ended the "
                    f"page before ({self._there}): records came or went while the pages were read, or the list has no "
                    "stable order",
                    next_step="it is read again; if it stays so, sort the list by a parameter, read it by a cursor, "
                    "name the field that tells records apart (paging: {anchor: id}), or go without: {anchor: none}",
                )
            at = names.index(self._last)
            self.moved, start = self.moved + at, at + 1
        self._several = len(items) > 1
        if items:
            self._last, self._there = self._named(items[-1]), f"item {len(items)} of page {page.number}"
        return page.behind(start) if start else page

    @staticmethod
    def goes_on(page: Page) -> bool:
        """Whether a page brought nothing but what was known, which is no end yet: the next one has to be empty."""
        return not page.items and page.skipped > 0

    def _named(self, item: msgspec.Raw) -> bytes:
        if self._field:
            try:
                value = msgspec.json.decode(item, type=dict[str, msgspec.Raw]).get(self._field)
            except msgspec.ValidationError:
                value = None
            if value is not None:
                return bytes(value)
        return bytes(item)
