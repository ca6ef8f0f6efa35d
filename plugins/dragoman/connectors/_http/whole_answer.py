"""Reads an answer of success (2xx) without further word on where results stand.

A status of success is not believed where the document beside it says otherwise, and a list of results that is
plainly one per item is read item by item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from dragoman.connectors._http.item_result import item_outcome, outcome_of, unknown
from dragoman.connectors._http.masking import Mask
from dragoman.connectors._http.result_order import in_order
from dragoman.connectors._http.result_rules import ResultRules
from dragoman.connectors._http.sending import Reply
from dragoman.connectors._http.sign_words import ERRORS, plain_name
from dragoman.connectors._http.signs import BAD, GOOD, NOTHING, UNSURE, Sign, buried_sign, is_empty, sign_of
from dragoman.core.items import Answered, Item, Outcome

__all__ = ["all_of_them", "read_whole"]

_INNER = ("response", "result", "meta", "header", "data", "d", "body", "_meta")
_PLAIN = ResultRules()


def all_of_them(outcome: Outcome, items: Sequence[Item]) -> Answered:
    """The same outcome for all items: the request was judged as one."""
    return Answered((outcome,) * len(items), together=len(items) > 1)


def read_whole(document: Any, reply: Reply, items: Sequence[Item], rules: ResultRules | None, mask: Mask) -> Answered:
    """The outcome of each item, by the signs in the document.

    ``rules`` has no lists here: its ``status``, ``ok`` and ``error`` are about the document as a whole.
    """
    own = rules is not None and bool(rules.status or rules.error)
    if own and rules is not None:
        outcome = item_outcome(document, _stranger(items), rules, mask)
        return all_of_them(_with_location(outcome, reply, items), items)
    results = _results(document, items)
    if results is not None:
        results = in_order(results, items)
        if results is None:
            say = "its results stand in another order than the items: write result, with match"
            return all_of_them(unknown(say, _said(document, mask)), items)
        found = [item_outcome(each, item, _PLAIN, mask) for each, item in zip(results, items, strict=True)]
        return Answered(tuple(found))
    if isinstance(document, list):
        say = f"the answer lists {len(document)} results for {len(items)} items"
        return all_of_them(unknown(say, _said(document, mask)), items)
    sign = _sign(document, reply.status, items, atomic=rules is not None and rules.atomic)
    outcome = outcome_of(document, sign, rules or _PLAIN, mask)
    return all_of_them(_with_location(outcome, reply, items), items)


def _sign(document: Any, status: int, items: Sequence[Item], *, atomic: bool) -> Sign:
    sent = items[0].values if len(items) == 1 else None
    sign = sign_of(document, sent)
    if sign.kind in {GOOD, NOTHING} and isinstance(document, Mapping):
        sign = next((inner for inner in _inner_signs(document, sent) if inner.kind in {BAD, UNSURE}), sign)
    if sign.kind == NOTHING and status != 207:
        return Sign(GOOD)
    if status == 207 and sign.kind != BAD:
        return Sign(UNSURE, why="its status is 207 (several statuses), and where they stand is not known: write result")
    if sign.kind == BAD and len(items) > 1 and not atomic and _may_be_partial(document):
        return Sign(UNSURE, why=f"{sign.why}, and which items it concerns is not known: write result")
    return sign


def _inner_signs(document: Mapping[str, Any], sent: Mapping[str, Any] | None) -> Iterator[Sign]:
    """Signs of failure further down: what an envelope wraps, elements of lists that failed, errors anywhere."""
    for name, value in document.items():
        if name in _INNER and isinstance(value, Mapping):
            yield sign_of({key: each for key, each in value.items() if not isinstance(each, str)}, sent)
        for each in value if isinstance(value, list) and not (sent and name in sent) else ():
            if isinstance(each, Mapping) and sign_of(each).kind in {BAD, UNSURE}:
                yield Sign(UNSURE, why=f"a result in {name} failed")
    buried = buried_sign(document, sent)
    if buried is not None:
        yield buried


def _may_be_partial(document: Any) -> bool:
    """Whether a failure may be that of some items only: lists or numbers of errors, not a word about the whole."""
    if not isinstance(document, Mapping):
        return False
    lists = any(isinstance(value, list) and value for value in document.values())
    counts = any(
        plain_name(name) in ERRORS and not is_empty(value) and isinstance(value, int)
        for name, value in document.items()
    )
    return lists or counts or any(isinstance(value, Mapping) and _may_be_partial(value) for value in document.values())


def _results(document: Any, items: Sequence[Item]) -> list[Any] | None:
    """A list with one result per item: the document itself, or the only such list in it whose elements all tell."""
    if isinstance(document, list):
        return document if len(document) == len(items) else None
    if not isinstance(document, Mapping) or len(items) == 1:
        return None
    lists = [value for value in document.values() if isinstance(value, list) and len(value) == len(items)]
    telling = [each for each in lists if all(_tells(one) for one in each)]
    return telling[0] if len(telling) == 1 else None


def _tells(result: Any) -> bool:
    return isinstance(result, Mapping) and bool(sign_of(result).why)


def _with_location(outcome: Outcome, reply: Reply, items: Sequence[Item]) -> Outcome:
    """The id that the Location header ends in, where the body has none."""
    place = reply.headers.get("location", "").partition("?")[0].rstrip("/")
    if outcome.state != "delivered" or outcome.remote_id or len(items) > 1 or "/" not in place:
        return outcome
    return outcome._replace(remote_id=unquote(place.rpartition("/")[2])[:200])


def _stranger(items: Sequence[Item]) -> Item:
    return items[0] if len(items) == 1 else Item(0, "", "", {}, b"")


def _said(document: Any, mask: Mask) -> str:
    return outcome_of(document, Sign(UNSURE), _PLAIN, mask).answer
