"""One page of an API: the JSON document that came back, and the list in it.

An API that fails may do so with a status of 200. So nothing is taken for an empty list that is not one: where the
list is missing, or the document names an error, or is no JSON at all, the page is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dragoman.connectors._http.client import Answer
from dragoman.connectors._http.masking import Mask
from dragoman.core.errors import FatalError, RetriableError

__all__ = ["MISSING", "Page", "read_page"]

MISSING = object()
"""What ``Page.at`` gives where nothing stands at a path; JSON null is None."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ERRORS = ("error", "errors")
_EMPTY_LIST = b"[]"


class Page:
    """One answer, read. ``items`` are the elements of the list as raw JSON, ``number`` counts pages from 1.

    ``skipped``: so many elements that stood before them are left out, for the page before had them.
    """

    def __init__(self, answer: Answer, number: int, items: list[msgspec.Raw], envelope: Any, skipped: int = 0) -> None:
        self.skipped = skipped
        self.answer = answer
        self.number = number
        self.items = items
        self._envelope = envelope

    def behind(self, count: int) -> Page:
        """The same page without its first elements."""
        return Page(self.answer, self.number, self.items[count:], self._envelope, self.skipped + count)

    def at(self, path: str) -> Any:
        """The value beside the list, at keys parted by dots; ``MISSING`` where there is none."""
        here, rest = self._envelope, path
        while rest:
            key = _key_of(rest, here) if isinstance(here, dict) else None
            if key is None:
                return MISSING
            here, rest = here[key], rest[len(key) + 1 :]
        return here


def read_page(answer: Answer, number: int, records: str, mask: Mask) -> Page:
    """Read one answer, whose list stands at ``records`` (keys parted by dots; empty: the document is the list).

    Raises:
        FatalError: ``http.unexpected_body`` for anything but a list there, ``http.broken_json`` for a document
            that is no sound JSON.
        RetriableError: ``http.truncated`` for a document that ends too early.
    """
    body = answer.body.removeprefix(b"\xef\xbb\xbf")
    where = f"page {number} ({answer.location.shown})"
    wanted = f"a list at {records}" if records else "a list"
    if not body.strip():
        raise _unexpected(where, f"an empty body (status {answer.status})", wanted, "")
    said = mask.excerpt(body)
    if body.lstrip()[:1] == b"<" or answer.headers.get("content-type", "").startswith("text/html"):
        raise _unexpected(where, "HTML or XML", wanted, said)
    raw = _sound(body, where)
    levels, rest = [raw], records
    while rest:
        inner = _as(levels[-1], dict[str, msgspec.Raw])
        key = None if inner is None else _key_of(rest, inner)
        if inner is None or key is None:
            _refuse_error(levels[0], where, wanted, said)
            keys = "" if inner is None else ", ".join(map(repr, sorted(inner)[:20])) or "no keys"
            found = f"an object with {keys}" if keys else "no object"
            raise _unexpected(where, f"{found} where {rest!r} should be", wanted, said)
        levels.append(inner[key])
        rest = rest[len(key) + 1 :]
    items = _as(levels[-1], list[msgspec.Raw])
    if items is None:
        _refuse_error(levels[0], where, wanted, said)
        kind = {b"{": "an object", b'"': "a text", b"n": "null", b"t": "true", b"f": "false"}
        raise _unexpected(where, kind.get(bytes(levels[-1])[:1], "a number"), wanted, said)
    if not records:
        return Page(answer, number, list(items), None)
    envelope = _envelope(body, bytes(levels[-1]), where)
    _refuse_named_error(envelope, where, wanted, said)
    return Page(answer, number, list(items), envelope)


def _sound(body: bytes, where: str) -> msgspec.Raw:
    try:
        body.decode("utf-8")
        return msgspec.json.decode(body, type=msgspec.Raw)
    except UnicodeDecodeError as error:
        raise _broken(where, f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise _broken(where, "it is nested too deeply") from error
    except msgspec.DecodeError as error:
        if "truncated" not in str(error):
            raise _broken(where, str(error)) from error
        if _SURROGATE.search(body) and body.rstrip()[-1:] in {b"}", b"]"}:
            raise _broken(where, "it has one half of a surrogate pair") from error
        raise RetriableError(
            "http.truncated",
            f"{where} ends in the middle of its JSON, after {len(body)} bytes",
            next_step="nothing of it was taken over; if it stays so, look at the server or a proxy before it",
        ) from error


def _key_of(path: str, fields: Mapping[str, Any]) -> str | None:
    """The key that a path begins with; the longest one, for keys may hold dots (``@odata.nextLink``)."""
    parts = path.split(".")
    names = (".".join(parts[:upto]) for upto in range(len(parts), 0, -1))
    return next((name for name in names if name in fields), None)


def _envelope(body: bytes, items: bytes, where: str) -> Any:
    """What stands around the list, as Python values; keys that stand twice are refused."""
    at = body.rfind(items)
    text = body[:at] + _EMPTY_LIST + body[at + len(items) :]

    def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        done: dict[str, Any] = {}
        for name, value in pairs:
            if name in done:
                raise _broken(where, f"the key {name!r} stands twice in one object")
            done[name] = value
        return done

    return json.loads(text, object_pairs_hook=once, parse_float=str)


def _refuse_error(document: msgspec.Raw, where: str, wanted: str, said: str) -> None:
    """Say it with the document's own error, if it names one."""
    fields = _as(document, dict[str, msgspec.Raw]) or {}
    named = {name: msgspec.json.decode(fields[name]) for name in _ERRORS if name in fields}
    _refuse_named_error(named, where, wanted, said)


def _refuse_named_error(envelope: Any, where: str, wanted: str, said: str) -> None:
    name = next((name for name in _ERRORS if isinstance(envelope, dict) and envelope.get(name)), "")
    if name:
        raise _unexpected(where, f"an error of the API (its key {name!r}), with a status of success", wanted, said)


def _as(text: msgspec.Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError:
        return None


def _unexpected(where: str, found: str, wanted: str, said: str) -> FatalError:
    return FatalError(
        "http.unexpected_body",
        f"{where} holds {found}; expected {wanted}" + (f"; it begins: {said}" if said else ""),
        next_step="correct records (where the list stands in the answer), or look at what the API says",
    )


def _broken(where: str, why: str) -> FatalError:
    return FatalError(
        "http.broken_json",
        f"the JSON of {where} is broken: {why}",
        next_step="have it corrected at the API; nothing of this page was taken over",
    )
