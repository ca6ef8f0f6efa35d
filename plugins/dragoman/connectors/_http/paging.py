"""How a list goes on from page to page, and when it ends.

An end is only what the paging names as one; what looks like an end by accident (an empty page that names a next one,
a page that comes twice, fewer records than the total) is red.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dragoman.connectors._http.anchor import OFF, Anchor
from dragoman.connectors._http.document import MISSING, Page
from dragoman.connectors._http.location import BadUrlError, Location
from dragoman.core.errors import ConfigError, FatalError, RetriableError

__all__ = ["Paging", "pages"]

_NEXT = re.compile(r"<([^<>]*)>([^<]*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)
_PARAMS = {"offset": ("offset", 0), "page": ("page", 1)}


class Paging:
    """One stream's paging as its options say it. Raises ``ConfigError`` ``http.paging`` where they do not fit."""

    def __init__(self, options: Mapping[str, Any] | None, total: str) -> None:
        options = options or {}
        self.type = str(options.get("type") or "")
        default_param, default_start = _PARAMS.get(self.type, ("", 0))
        self.next = str(options.get("next") or "")
        self.param = str(options.get("param") or default_param)
        self.size: int | None = options.get("size")
        self.size_param = str(options.get("size_param") or "limit")
        self.start = int(options["start"]) if options.get("start") is not None else default_start
        stop = options.get("stop") or {}
        stop = {"when": stop} if isinstance(stop, str) else stop
        self.stop = str(stop.get("when") or "")
        self.more = str(stop.get("field") or "")
        self.skip_empty = options.get("empty") == "skip"
        self.total = total
        self.anchor = str(options.get("anchor") or "")
        self._check()

    def _check(self) -> None:
        linked = self.type in {"next_link", "cursor"}
        if linked and not self.next:
            raise _wrong(f"paging of type {self.type} does not say where the next one stands", "next: meta.next")
        if self.type == "cursor" and not self.param:
            raise _wrong("paging of type cursor does not name the parameter for the token", "param: after")
        if self.type == "cursor" and self.next == "header":
            raise _wrong("a Link header holds a URL, not a token", "type: next_link")
        if self.stop and self.more:
            raise _wrong("stop names both a rule and a field", "stop: short, or stop: {field: has_more}")
        if linked and (self.stop in {"short", "total"} or self.more):
            raise _wrong(f"paging of type {self.type} ends where no next one is named", "stop left out")
        if self.stop == "short" and not self.size:
            raise _wrong("stop: short needs to know how long a whole page is", "size: 100")
        if self.anchor and self.type != "offset":
            raise _wrong(f"paging of type {self.type} has no anchor", "anchor left out")
        if self.stop == "total" and not self.total:
            raise _wrong("stop: total needs to know where the total stands", "total: meta.total")

    @property
    def anchored(self) -> bool:
        """Whether each page begins with the last record of the page before."""
        return self.type == "offset" and self.anchor != OFF and self.size != 1

    def doubts(self, page: Page) -> bool:
        """Whether an empty page is all that tells the end: then the one behind it has to be empty too."""
        return self.type == "page" and not page.items and self.stop in {"", "empty"} and not (self.more or self.total)

    def first(self, location: Location) -> Location:
        """The first page's place."""
        params: dict[str, Any] = {self.size_param: self.size} if self.size else {}
        if self.type in _PARAMS:
            params[self.param] = self.start
        return location.with_params(params)

    def following(self, here: Location, page: Page, received: int, anchor: Anchor) -> Location | None:
        """The next page's place, or None at the end. ``received`` counts the records up to now."""
        if self.type == "next_link":
            return self._by_link(here, page)
        if self.type == "cursor":
            return self._by_token(here, page)
        if self.type == "offset" and (anchor.goes_on(page) or not self._ends(page, received)):
            return here.with_params({self.param: self.start + received + anchor.moved - anchor.back})
        if self.type == "page" and (self.doubts(page) or not self._ends(page, received)):
            return here.with_params({self.param: self.start + page.number})
        return None

    def _by_link(self, here: Location, page: Page) -> Location | None:
        link = _header_link(page) if self.next == "header" else page.at(self.next)
        if link is MISSING or link is None or link in ("", False):
            return None
        if not isinstance(link, str):
            raise _unusable(page, f"{self.next} is {str(link)[:100]!r}, not a URL")
        try:
            there = here.join(link)
        except BadUrlError as error:
            raise _foreign(page, str(error)) from error
        if there.origin != here.origin:
            raise _foreign(
                page, f"it leads to {there.scheme}://{there.authority}, and this is {here.scheme}://{here.authority}"
            )
        return self._unless_empty(page, there)

    def _by_token(self, here: Location, page: Page) -> Location | None:
        token = page.at(self.next)
        if token is MISSING or token is None or token in ("", False):
            return None
        if isinstance(token, dict | list | bool):
            raise _unusable(page, f"{self.next} is {str(token)[:100]!r}, not a token")
        return self._unless_empty(page, here.with_params({self.param: token}))

    def _unless_empty(self, page: Page, there: Location) -> Location | None:
        if page.items or self.skip_empty or self.total:
            return there
        if self.stop == "empty":
            return None
        raise FatalError(
            "http.empty_page",
            f"page {page.number} ({page.answer.location.shown}) holds no record and names a next page",
            next_step="if this API leaves records out after it has cut its pages, write paging: {empty: skip}, or "
            "name its total",
        )

    def _ends(self, page: Page, received: int) -> bool:
        if self.stop == "total":
            wanted = total_of(page, self.total)
            return not page.items or (wanted is not None and received >= wanted)
        if self.more:
            more = page.at(self.more)
            if not isinstance(more, bool):
                found = "missing" if more is MISSING else repr(more)[:100]
                raise _unusable(page, f"{self.more} is {found}, not true or false")
            if more and not page.items and not (self.skip_empty and self.type == "page"):
                raise FatalError(
                    "http.empty_page",
                    f"page {page.number} ({page.answer.location.shown}) holds no record, and {self.more} is true",
                    next_step="look at what the API means by it",
                )
            return not more
        if self.stop == "short" and self.size:
            return len(page.items) + page.skipped < self.size
        return not page.items


def pages(
    paging: Paging, location: Location, max_pages: int, fetch: Callable[[Location, int], Page], identity: str = ""
) -> Iterator[Page]:
    """All pages of a list, in order; it ends only where the paging says so and the total agrees.

    ``identity``: the field that tells records apart, where it is known.

    Raises:
        FatalError: ``http.paging_loop``, ``http.foreign_link``, ``http.empty_page``, ``http.max_pages``.
        RetriableError: ``http.total_changed``, ``http.short``, ``http.drift``, ``http.gap``: another reading may
            see it whole.
    """
    here: Location | None = paging.first(location)
    anchor = Anchor(paging.anchor or identity, held=paging.anchored)
    asked: set[bytes] = set()
    before, received, number, repeated = b"", 0, 0, 0
    total: int | None = None
    gap = False
    while here is not None:
        asked.add(_digest(here.url))
        number += 1
        page = fetch(here, number)
        content = hashlib.sha256(b"\0".join(page.items)).digest() if page.items else b""
        repeated = repeated + 1 if content and content == before else 0
        if repeated > int(anchor.held):
            raise _loop(page, "holds the same records as the page before")
        before = content
        total = _agreed(page, paging, total)
        page = anchor.fresh(page)
        received += len(page.items)
        if gap and page.items:
            raise RetriableError(
                "http.gap",
                f"page {number - 1} of {location.shown} held no record, and page {number} holds {len(page.items)}",
                next_step="it is read again; if this API leaves records out after it has cut its pages, name its total "
                "or the field that says whether there is more (paging: {stop: …})",
            )
        yield page
        if gap:
            break
        gap = paging.doubts(page)
        here = paging.following(here, page, received, anchor)
        if here is not None and _digest(here.url) in asked:
            raise _loop(page, f"names {here.shown} as the next page, which was read before")
        if here is not None and number >= max_pages:
            raise FatalError(
                "http.max_pages",
                f"{location.shown} has more than {max_pages} pages",
                next_step="write a greater max_pages, or larger pages (paging.size)",
            )
    if total is not None and received != total:
        raise RetriableError(
            "http.short",
            f"{location.shown} says that it holds {total} records, and {received} were read",
            next_step="if it stays so, look at how the API counts, and at paging",
        )


def total_of(page: Page, name: str) -> int | None:
    """The number of all records that a page names: at keys parted by dots, else in the header of that name."""
    value = page.at(name)
    if value is MISSING:
        value = page.answer.headers.get(name.lower())
    if value is None:
        return None
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,18}", text):
        raise _unusable(page, f"{name} is {text[:100]!r}, not a number of records")
    return int(text)


def _agreed(page: Page, paging: Paging, total: int | None) -> int | None:
    """The total of all pages so far; it may stand on the first page only, and it must not change."""
    if not paging.total:
        return None
    now = total_of(page, paging.total)
    if page.number == 1 and now is None:
        raise _unusable(page, f"the total {paging.total} is missing, among the keys and among the headers")
    if total is not None and now is not None and now != total:
        raise RetriableError(
            "http.total_changed",
            f"the total was {total} and is {now} on page {page.number} ({page.answer.location.shown}): records came "
            "or went while the pages were read",
            next_step="it is read again; if it stays so, read by a cursor and a stable order",
        )
    return total if now is None else now


def _header_link(page: Page) -> Any:
    """The target of the Link header with rel=next (RFC 8288)."""
    for target, rest in _NEXT.findall(page.answer.headers.get("link", "")):
        for quoted, bare in _REL.findall(rest):
            if "next" in (quoted or bare).lower().split():
                return target
    return MISSING


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


def _wrong(why: str, example: str) -> ConfigError:
    return ConfigError("http.paging", why, next_step=f"write {example}")


def _loop(page: Page, why: str) -> FatalError:
    return FatalError(
        "http.paging_loop",
        f"the paging goes in circles: page {page.number} ({page.answer.location.shown}) {why}",
        next_step="correct paging: its param and next as the API's own pages say",
    )


def _foreign(page: Page, why: str) -> FatalError:
    return FatalError(
        "http.foreign_link",
        f"the next link of page {page.number} ({page.answer.location.shown}) is not followed: {why}",
        next_step="next links must stay on the connection's own server; correct the connection or the API",
    )


def _unusable(page: Page, why: str) -> FatalError:
    return FatalError(
        "http.unexpected_body",
        f"on page {page.number} ({page.answer.location.shown}) {why}",
        next_step="correct paging or total as the API's pages say",
    )
