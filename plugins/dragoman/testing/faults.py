"""The faults that the fault server knows, by name, and the rules that say which request meets which."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LIST_FAULTS", "TARGET_FAULTS", "Rule", "Rules"]

TARGET_FAULTS: Mapping[str, str] = {
    "before_503": "answers 503 and applies nothing",
    "before_reset": "resets the connection and applies nothing",
    "rate_429": "answers 429 with Retry-After and applies nothing",
    "auth_401": "answers 401 and applies nothing",
    "in_flight_409": "answers 409, as an API does while it still works on the same key, and applies nothing",
    "size_413": "answers 413 to a request of more than `size` items and applies nothing",
    "poison_400": "answers 400 to a request that holds one of the rule's items and applies nothing",
    "error_200": "answers 200 with an error as its body and applies nothing",
    "atomic_group": "holds the request one of the rule's items, all its items fail, item by item in the results",
    "partial_207": "refuses the rule's items, applies the others, answers 207 with a result per item",
    "partial_200": "refuses the rule's items, applies the others, answers 200 with a result per item",
    "half_500": "applies the first half of the items and answers 500",
    "applied_500": "applies all and answers 500",
    "applied_503": "applies all and answers 503",
    "applied_timeout": "applies all and never answers",
    "applied_reset": "applies all and resets the connection",
    "truncated_answer": "applies all, and the answer ends in the middle",
    "garbage_answer": "applies all and answers 200 with a web page",
    "empty_answer": "applies all and answers 200 with no body",
    "missing_parts": "applies all, and the results name only the first half of the items",
    "shuffled_results": "applies all, and the results stand in another order",
    "slow": "applies all and answers after `wait` seconds",
    "search_503": "a search, or a GET of one item, is answered with 503",
}
"""What sending meets. Items of a rule: those whose `field` has one of its `values`."""

LIST_FAULTS: Mapping[str, str] = {
    "s_429": "answers 429 with Retry-After",
    "s_500": "answers 500",
    "s_503": "answers 503",
    "s_hang": "never answers",
    "s_reset": "resets the connection",
    "s_trunc": "the body ends before its Content-Length",
    "s_trunc_gz": "the body is gzip, cut off",
    "s_badjson": "the body is JSON, cut off, of the right length",
    "s_html200": "200 with a web page",
    "s_err200": "200 with an error as its body",
    "s_empty_mid": "an empty page although there is more",
    "s_null_mid": "null where the list should stand",
    "s_object_mid": "an object where the list should stand",
    "s_cap": "from this page on at most `size` records a page, whatever was asked",
    "s_short_mid": "one short page although there is more",
    "s_drift_del": "before this page the first `size` records are deleted",
    "s_drift_ins": "before this page `size` records are inserted in front",
    "s_repeat_token": "the page names itself as the next one",
    "s_total_changes": "the total differs from this page on",
    "s_total_wrong": "the total is larger than what there is",
    "s_next_missing": "the page names no next one although there is more",
    "s_next_elsewhere": "the next page's address is on another server",
    "s_slow": "answers after `wait` seconds",
}
"""What reading meets; `nth` is the number of the page request."""


@dataclass
class Rule:
    """Which requests meet which fault.

    ``nth``: the first request that meets it, counted from 1 among those that it concerns. ``times``: how many meet it
    from there on; 0 is all. ``field`` and ``values``: only requests that hold an item with one of these values.
    ``size`` and ``wait`` (seconds) are what some faults need.
    """

    fault: str
    nth: int = 1
    times: int = 1
    field: str = "id"
    values: Sequence[Any] = ()
    size: int = 5
    wait: float = 0.0
    seen: int = 0

    def __post_init__(self) -> None:
        if self.fault not in {**TARGET_FAULTS, **LIST_FAULTS}:
            known = ", ".join([*TARGET_FAULTS, *LIST_FAULTS])
            raise ValueError(f"{self.fault!r} is no fault; there are {known}")

    def told(self) -> dict[str, Any]:
        """The rule as JSON-able values."""
        return {name: value for name, value in vars(self).items() if name != "seen"}

    def holds(self, item: Any) -> bool:
        """Whether it is about this item."""
        return isinstance(item, Mapping) and str(item.get(self.field)) in {str(value) for value in self.values}

    def concerns(self, items: Sequence[Any]) -> bool:
        """Whether a request with these items counts for it."""
        if self.fault == "size_413":
            return len(items) > self.size
        return not self.values or any(self.holds(item) for item in items)


@dataclass
class Rules:
    """The rules of a running server; they may be changed at any time."""

    rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, rules: Iterable[Rule | Mapping[str, Any]]) -> None:
        """Replace all rules; their counting begins anew.

        Raises:
            ValueError: a rule names no fault, or says something that rules do not have.
        """
        made = []
        for rule in rules:
            try:
                made.append(rule if isinstance(rule, Rule) else Rule(**rule))
            except TypeError as error:
                raise ValueError(f"{rule}: {error}") from error
        with self._lock:
            self.rules = made

    def strike(self, items: Sequence[Any], *, among: Mapping[str, str], search: bool = False) -> Rule | None:
        """The rule that this request meets, or None; the first in the list wins, and each counts."""
        met = None
        with self._lock:
            for rule in self.rules:
                wanted = rule.fault in among and (rule.fault == "search_503") is search
                if not wanted or not (search or rule.concerns(items)):
                    continue
                rule.seen += 1
                due = rule.seen >= rule.nth and (not rule.times or rule.seen < rule.nth + rule.times)
                met = met or (rule if due else None)
        return met
