"""An API that lists records, page by page, in four ways of paging, and lies where a rule tells it to.

``GET /lists/NAME/PAGING`` with PAGING ``offset`` (``offset``, ``limit``), ``page`` (``page`` from 1, ``limit``),
``cursor`` (``after``, ``limit``) or ``next_link`` (``limit``) answers ``{"data": […], "meta": {"total": …, "next":
…}}``; ``next`` is a token or, for ``next_link``, an address. ``updated_since`` keeps records whose ``updated_at`` is no
earlier.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from dragoman.testing.fault_answers import PAGE, cut_gzip, cut_off, error_document, never, reset, slowly
from dragoman.testing.faults import LIST_FAULTS, Rule, Rules
from dragoman.testing.http_server import Answer, Request, Write

__all__ = ["PAGINGS", "Lists"]

PAGINGS = ("offset", "page", "cursor", "next_link")


@dataclass
class Lists:
    """``records`` by the name of the list; they may be changed at any time."""

    rules: Rules = field(default_factory=Rules)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _cap: int = 0
    _more: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, name: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Replace a list; what faults have done to it ends."""
        with self._lock:
            self.records[name] = [dict(record) for record in records]
            self._cap = self._more = 0

    def answer(self, request: Request) -> Answer | Write:
        """One page."""
        _lists, _, rest = request.path.strip("/").partition("/")
        name, _, paging = rest.partition("/")
        if name not in self.records or paging not in PAGINGS:
            known = ", ".join(f"/lists/{each}/{way}" for each in self.records for way in PAGINGS) or "none"
            return Answer.of(error_document(f"there is no list at {request.path}; there are: {known}"), 404)
        rule = self.rules.strike([], among=LIST_FAULTS)
        try:
            with self._lock:
                self._change(name, rule)
                document = self._page(request, name, paging, rule)
        except ValueError as error:
            return Answer.of(error_document(f"a parameter cannot be read: {error}"), 400)
        return _sent(document, rule)

    def _change(self, name: str, rule: Rule | None) -> None:
        """What happens to the list itself before the page is cut."""
        if rule is None:
            return
        if rule.fault == "s_drift_del":
            del self.records[name][: rule.size]
        elif rule.fault == "s_drift_ins":
            first = self.records[name][0] if self.records[name] else {"id": 0}
            new = [first | {"id": f"new-{number}"} for number in range(rule.size)]
            self.records[name][:0] = new
        elif rule.fault == "s_cap":
            self._cap = rule.size
        elif rule.fault in {"s_total_changes", "s_total_wrong"}:
            self._more = rule.size

    def _page(self, request: Request, name: str, paging: str, rule: Rule | None) -> dict[str, Any]:
        params, fault = request.params, rule.fault if rule is not None else ""
        limit = int(params.get("limit", "100"))
        since = params.get("updated_since", "")
        found = [record for record in self.records[name] if not since or str(record.get("updated_at", "")) >= since]
        start = (int(params.get("page", "1")) - 1) * limit if paging == "page" else int(_asked(params, paging))
        size = min(limit, self._cap or limit)
        if fault == "s_short_mid" and rule is not None:
            size = min(size, rule.size)
        page = found[start : start + size]
        after = start + len(page)
        upcoming: Any = str(after) if after < len(found) else None
        if fault == "s_repeat_token":
            upcoming = str(start)
        elif fault == "s_next_missing":
            upcoming = None
        elif fault == "s_empty_mid":
            page, upcoming = [], str(start + size)
        if paging == "next_link" and upcoming is not None:
            host = request.headers.get("host", "127.0.0.1") if fault != "s_next_elsewhere" else "127.0.0.2:9"
            query = urlencode({**params, "after": upcoming})
            upcoming = f"http://{host}{request.path}?{query}"
        return {"data": page, "meta": {"total": len(found) + self._more, "next": upcoming}}


def _asked(params: Mapping[str, str], paging: str) -> str:
    return params.get("offset" if paging == "offset" else "after", "0") or "0"


def _sent(document: dict[str, Any], rule: Rule | None) -> Answer | Write:
    """The page as the rule lets it go out."""
    answer, fault = Answer.of(document), rule.fault if rule is not None else ""
    if fault == "s_null_mid":
        return Answer.of(document | {"data": None})
    if fault == "s_object_mid":
        return Answer.of(document | {"data": {"message": "no list today"}})
    if fault == "s_badjson":
        half = json.dumps(document).encode()[:-20]
        return Answer(half, 200, {"Content-Type": "application/json"})
    if fault == "s_429" and rule is not None:
        return Answer.of(error_document("too many requests"), 429, retry_after=f"{rule.wait:g}")
    if fault == "s_slow" and rule is not None:
        return slowly(answer, rule.wait)
    if fault in {"s_500", "s_503"}:
        return Answer.of(error_document("not now"), int(fault[2:]))
    if fault in {"s_hang", "s_reset"}:
        return never if fault == "s_hang" else reset
    if fault == "s_trunc":
        return cut_off(answer)
    return {
        "s_trunc_gz": cut_gzip(document),
        "s_html200": PAGE,
        "s_err200": Answer.of(error_document("the list is not available")),
    }.get(fault, answer)
