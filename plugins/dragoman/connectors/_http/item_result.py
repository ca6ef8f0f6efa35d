"""What one result of an answer says of its item."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dragoman.connectors._http.answer_document import MISSING, at_path
from dragoman.connectors._http.masking import Mask
from dragoman.connectors._http.result_rules import ResultRules
from dragoman.connectors._http.signs import BAD, GOOD, NOTHING, UNSURE, Sign, code_of_status, is_empty, sign_of
from dragoman.core.items import AGAIN, DELIVERED, REFUSED, UNKNOWN, Item, Outcome

__all__ = ["item_outcome", "outcome_of", "unknown"]

_IDS = ("id", "Id", "ID", "_id", "uuid", "data.id", "body.id", "result.id")
_MESSAGES = (
    "message",
    "Message",
    "error.message",
    "error.reason",
    "error.detail",
    "error_description",
    "errorMessage",
    "detail",
    "title",
    "reason",
    "error",
    "errors",
    "msg",
    "description",
)
_CODES = ("error.code", "errorCode", "error_code", "error.type", "code", "statusCode")
_FIELDS = ("field", "error.field", "errors.0.field")
_AGAIN = frozenset({408, 424, 425, 429})


def unknown(why: str, answer: str = "") -> Outcome:
    """The outcome of an item of which the answer does not tell."""
    return Outcome(UNKNOWN, "http.no_outcome", f"nobody can tell whether the item arrived: {why}", answer=answer)


def item_outcome(result: Any, item: Item, rules: ResultRules, mask: Mask) -> Outcome:
    """The outcome by the paths that ``rules`` name, else by the signs that APIs commonly give."""
    return outcome_of(result, _sign(result, item, rules), rules, mask)


def outcome_of(result: Any, sign: Sign, rules: ResultRules, mask: Mask) -> Outcome:
    """The outcome for a sign. A status says more than good or bad: some mean again, some that nobody can tell."""
    if sign.kind == GOOD:
        return Outcome(DELIVERED, remote_id=_text(_first(result, (rules.id,) if rules.id else _IDS), mask))
    answer = _shown(result, mask)
    if sign.kind == NOTHING:
        return unknown("the answer says nothing of this item", answer)
    if sign.kind == UNSURE:
        return unknown(sign.why or "its result can be read in two ways", answer)
    message = _text(_first(result, (rules.error, *_MESSAGES)), mask) or sign.why or "no reason is given"
    if sign.status in _AGAIN:
        return Outcome(AGAIN, "http.throttled", f"the server did not take the item now: {message}", answer=answer)
    if sign.status >= 500 and sign.status != 501:
        return unknown(f"its status is {sign.status}: {message}", answer)
    code = _text(_first(result, (rules.code, *_CODES)), mask)
    said = f"the server refused the item: {message}" + (f" ({code})" if code and code not in message else "")
    field = _text(_first(result, (rules.field, *_FIELDS)), mask)
    return Outcome(REFUSED, "http.item_refused", said, field=field[:200], answer=answer)


def _sign(result: Any, item: Item, rules: ResultRules) -> Sign:
    if not rules.status and not rules.error:
        return sign_of(result, item.values)
    named = at_path(result, rules.error) if rules.error and isinstance(result, Mapping) else MISSING
    wrong = Sign(BAD, why=f"its {rules.error}") if named is not MISSING and not is_empty(named) else None
    if not rules.status:
        other = sign_of(result, item.values)
        return wrong._replace(status=other.status) if wrong else other
    value = at_path(result, rules.status) if isinstance(result, Mapping) else MISSING
    if value is MISSING or value is None or isinstance(value, list):
        return wrong or Sign(NOTHING)
    sign = _of_status(value, rules)
    if wrong is not None:
        contradicts = sign.kind == GOOD
        return Sign(UNSURE, why=f"{rules.status} and {rules.error} contradict each other") if contradicts else sign
    return sign


def _of_status(value: Any, rules: ResultRules) -> Sign:
    numbered = code_of_status(value)
    if rules.ok:
        word = str(value).strip().lower()
        status = numbered.status if numbered else 0
        return Sign(GOOD, status) if word in rules.ok else Sign(BAD, status, f"{rules.status} {str(value)[:60]}")
    if numbered is not None:
        return numbered
    sign = sign_of({"status": value})
    known = sign.kind != GOOD or sign.why
    return sign if known else Sign(UNSURE, why=f"{rules.status} is {str(value)[:60]!r}, and ok does not list it")


def _first(result: Any, paths: tuple[str, ...]) -> Any:
    """The first of some places that holds something."""
    if not isinstance(result, Mapping):
        return result if not isinstance(result, list | dict | bool | type(None)) else None
    found = (at_path(result, path) for path in paths if path)
    return next((value for value in found if value is not MISSING and not is_empty(value)), None)


def _text(value: Any, mask: Mask) -> str:
    if value is None:
        return ""
    text = str(value) if isinstance(value, str | Decimal) else _json(value)
    return mask.excerpt(text.encode("utf-8", "replace"))


def _shown(result: Any, mask: Mask) -> str:
    return "" if result is None else mask.excerpt(_json(result).encode("utf-8", "replace"))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
