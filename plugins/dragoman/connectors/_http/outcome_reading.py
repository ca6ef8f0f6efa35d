"""Reads from the body of an answer what became of each item of a request.

The one rule above all others: what the answer does not say is not taken for delivered. A result that is missing,
stands twice, names an item that was not sent or contradicts itself leaves the outcome unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.connectors._http.answer_document import MISSING, at_path
from dragoman.connectors._http.item_index import ItemIndex
from dragoman.connectors._http.item_result import item_outcome, unknown
from dragoman.connectors._http.masking import Mask
from dragoman.connectors._http.result_rules import BY_INDEX, BY_POSITION, ResultRules
from dragoman.core.items import AGAIN, DELIVERED, REFUSED, UNKNOWN, Item, Outcome

__all__ = ["listed_outcomes"]


def listed_outcomes(document: Any, items: Sequence[Item], rules: ResultRules, mask: Mask) -> list[Outcome] | None:
    """One outcome per item where the document lists results as ``rules`` say; None where no list stands there."""
    found: list[Outcome | None] = [None] * len(items)
    told = False
    if rules.items is not None:
        results = at_path(document, rules.items)
        if isinstance(results, Mapping) and rules.ref:
            results = [_keyed(rules.ref, key, value) for key, value in results.items()]
        if isinstance(results, list):
            told = True
            _take_results(found, results, items, rules, mask)
    missing: Outcome | None = None
    if rules.failed is not None:
        failures = at_path(document, rules.failed)
        if isinstance(failures, list):
            told = True
            missing = _take_failures(found, failures, items, rules, mask)
        elif failures is not MISSING and failures is not None:
            missing = unknown(f"what stands at {rules.failed} is no list")
            told = True
        elif rules.items is None:
            return None
        if missing is None and rules.items is None:
            missing = Outcome(DELIVERED)
    if not told:
        return None
    silent = missing or unknown("the answer says nothing of this item")
    if rules.items is not None and silent.state == DELIVERED:
        silent = unknown("the answer says nothing of this item")
    done = [outcome or silent for outcome in found]
    return _as_one(done) if rules.atomic else done


def _take_results(
    found: list[Outcome | None], results: list[Any], items: Sequence[Item], rules: ResultRules, mask: Mask
) -> None:
    by_order = not rules.ref or (rules.ref == BY_INDEX and rules.failed is not None and len(results) == len(items))
    if by_order and len(results) != len(items):
        if rules.failed is None:
            say = f"the answer lists {len(results)} results for {len(items)} items"
            found[:] = [unknown(say)] * len(items)
        return
    index = ItemIndex(items, rules.column)
    for at, result in enumerate(results):
        row = at if by_order else _row_of(result, items, rules, index)
        if row is not None:
            _put(found, row, item_outcome(result, items[row], rules, mask))


def _take_failures(
    found: list[Outcome | None], failures: list[Any], items: Sequence[Item], rules: ResultRules, mask: Mask
) -> Outcome | None:
    """What items are that no failure names: None where each failure names one that was sent, else unknown."""
    stray = 0
    index = ItemIndex(items, rules.column)
    for failure in failures:
        row = _row_of(failure, items, rules, index)
        if row is None:
            stray += 1
            continue
        outcome = item_outcome(failure, items[row], rules, mask)
        if outcome.state == DELIVERED:
            outcome = Outcome(
                REFUSED, "http.item_refused", "the answer lists it among the failures", answer=outcome.answer
            )
        _put(found, row, outcome)
    return unknown(f"{stray} failures of the answer name no item that was sent") if stray else None


def _put(found: list[Outcome | None], row: int, outcome: Outcome) -> None:
    earlier = found[row]
    if earlier is not None and not (earlier.state == REFUSED and outcome.state == REFUSED):
        outcome = unknown("the answer has two results of this item", outcome.answer)
    found[row] = outcome


def _row_of(result: Any, items: Sequence[Item], rules: ResultRules, index: ItemIndex) -> int | None:
    """Which item a result is of; None where it names none, or one that was not sent, or one that was sent twice."""
    named = at_path(result, rules.ref) if isinstance(result, Mapping) else MISSING
    if named is MISSING or named is None or isinstance(named, bool | list | dict):
        return None
    if rules.column in {BY_INDEX, BY_POSITION} and rules.column not in items[0].values:
        text = str(named).strip()
        row = int(text) - (rules.column == BY_POSITION) if text.isascii() and text.isdigit() and len(text) < 10 else -1
        return row if 0 <= row < len(items) else None
    return index.row(named)


def _keyed(ref: str, key: str, value: Any) -> dict[str, Any]:
    """A result that stands in an object under the item's own value."""
    return {**value, ref: key} if isinstance(value, Mapping) else {ref: key, "status": value}


def _as_one(done: list[Outcome]) -> list[Outcome]:
    """Items that the peer applies all or none of: one that failed means that no other one is there."""
    states = {outcome.state for outcome in done}
    if UNKNOWN in states and not states & {REFUSED, AGAIN}:
        return [one if one.state == UNKNOWN else unknown("the request is all or nothing") for one in done]
    if states & {REFUSED, AGAIN}:
        other = Outcome(AGAIN, "http.rolled_back", "another item of the same request was refused")
        return [one if one.state == REFUSED else other for one in done]
    return done
