"""An API that takes items and keeps an honest record of what it has applied, whatever it answers.

It creates by POST to a collection and upserts by PUT to ``/collection/ID``; what else it can is chosen: an idempotency
key, an upsert by an external id, a search (which may lag), or nothing of these.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dragoman.testing.fault_answers import PAGE, cut_off, error_document, never, reset, slowly
from dragoman.testing.faults import TARGET_FAULTS, Rule, Rules
from dragoman.testing.http_server import Answer, Request, Write

__all__ = ["Abilities", "Target"]


@dataclass(frozen=True)
class Abilities:
    """What helps a client that does not know what became of its request.

    ``idempotency``: the header whose key makes a request count once. ``external_id``: the field by which a POST
    upserts. ``search``: the field that ``GET /collection?field=value`` searches. ``lag``: seconds until a search finds
    what was applied.
    """

    idempotency: str = ""
    external_id: str = ""
    search: str = ""
    lag: float = 0.0


@dataclass
class Target:
    """``record``: a file to which each applied item is appended before the answer, as one JSON object a line."""

    abilities: Abilities = field(default_factory=Abilities)
    rules: Rules = field(default_factory=Rules)
    record: Path | None = None
    applied: list[dict[str, Any]] = field(default_factory=list)
    """All that was ever applied: ``do`` (create, put, delete), ``id``, ``path``, ``body``, ``at``."""
    _held: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _answers: dict[str, tuple[str, Answer]] = field(default_factory=dict)
    _broken_off: dict[str, int] = field(default_factory=dict)
    """By idempotency key: how many items of a request were applied before it broke off; the next try goes on there."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Answer | Write:
        """Apply a request as its rule says, and answer it."""
        if request.method == "GET":
            return self._search(request)
        if request.method == "DELETE":
            return self._delete(request)
        try:
            document = json.loads(request.body)
        except ValueError:
            return Answer.of(error_document("the body is no JSON"), 400)
        items = _items(document)
        rule = self.rules.strike(items, among=TARGET_FAULTS)
        if rule is not None and (refusal := _before(rule, items)) is not None:
            return refusal
        key = request.headers.get(self.abilities.idempotency.lower(), "") if self.abilities.idempotency else ""
        digest = hashlib.sha256(request.body).hexdigest()
        with self._lock:
            if key and key in self._answers:
                known, answer = self._answers[key]
                if known != digest:
                    return Answer.of(error_document("this key came with another body"), 422)
                return _after(rule, answer, items)
            single = not isinstance(document, list) and len(items) == 1
            answer = self._take(request, items, rule, self._broken_off.pop(key, 0), single=single)
            if key and rule is not None and rule.fault == "half_500":
                self._broken_off[key] = (len(items) + 1) // 2
            elif key:
                self._answers[key] = (digest, answer)
        return _after(rule, answer, items)

    def reset(self) -> None:
        """Forget all; the record's file stays as it is."""
        with self._lock:
            for kept in (self._held, self._answers, self._broken_off):
                kept.clear()
            self.applied.clear()

    def rows(self, collection: str = "") -> list[dict[str, Any]]:
        """What it holds now, as it was sent."""
        with self._lock:
            return [held["body"] for (path, _id), held in self._held.items() if path.strip("/") in {collection, ""}]

    def _take(self, request: Request, items: Sequence[Any], rule: Rule | None, done: int, *, single: bool) -> Answer:
        """Apply a request as its rule says; its first ``done`` items were applied before."""
        fault = rule.fault if rule is not None else ""
        refused = [bool(rule and rule.holds(item)) for item in items]
        if fault == "atomic_group" and not single:
            results = [
                _failure(at, items[at], "is bad" if bad else "was rolled back with its group")
                for at, bad in enumerate(refused)
            ]
            return Answer.of({"results": results}, 207)
        results = []
        for at, item in enumerate(items):
            if fault in {"partial_207", "partial_200", "atomic_group"} and refused[at]:
                results.append(_failure(at, item, "is bad"))
            elif fault == "half_500" and at >= (len(items) + 1) // 2:
                break
            else:
                applied = self._apply(request, item) if at >= done else {"remote_id": f"before-{at}"}
                results.append({"index": at, "status": "ok"} | applied | _named(item))
        if single and results:
            if "error" in results[0]:
                return Answer.of(results[0], 422)
            return Answer.of(items[0] | {"remote_id": results[0]["remote_id"]}, 201)
        if fault == "missing_parts":
            results = results[: len(results) // 2]
        if fault == "shuffled_results":
            results.reverse()
        return Answer.of({"results": results}, 207 if fault == "partial_207" else 200)

    def _apply(self, request: Request, item: Mapping[str, Any]) -> dict[str, Any]:
        """Apply one item; its result."""
        path, _, own = request.path.strip("/").partition("/")
        by = self.abilities.external_id
        external = unquote(own) if request.method in {"PUT", "PATCH"} and own else str(item[by]) if by in item else ""
        created = not external or (path, external) not in self._held
        name = external or f"r{len(self.applied) + 1}"
        self._keep({"do": "put" if external else "create", "id": name, "path": path, "body": dict(item)})
        return {"remote_id": name, "created": created}

    def _keep(self, done: dict[str, Any]) -> None:
        done["at"] = time.time()
        self.applied.append(done)
        place = (done["path"], done["id"])
        if done["do"] == "delete":
            self._held.pop(place, None)
        else:
            self._held[place] = done
        if self.record is not None:
            with self.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done, ensure_ascii=False) + "\n")

    def _delete(self, request: Request) -> Answer | Write:
        path, _, own = request.path.strip("/").partition("/")
        rule = self.rules.strike([{"id": unquote(own)}], among=TARGET_FAULTS)
        if rule is not None and (refusal := _before(rule, [])) is not None:
            return refusal
        with self._lock:
            if (path, unquote(own)) not in self._held:
                return Answer.of(error_document("there is no such item"), 404)
            self._keep({"do": "delete", "id": unquote(own), "path": path})
        return _after(rule, Answer(b"", 204), [])

    def _search(self, request: Request) -> Answer | Write:
        if self.rules.strike([], among=TARGET_FAULTS, search=True) is not None:
            return Answer.of(error_document("the search is down"), 503)
        path, _, own = request.path.strip("/").partition("/")
        seen = time.time() - self.abilities.lag
        with self._lock:
            there = [held for (place, _id), held in self._held.items() if place == path and held["at"] <= seen]
        if own:
            found = next((held for held in there if held["id"] == unquote(own)), None)
            if found is None:
                return Answer.of(error_document("there is no such item"), 404)
            return Answer.of(found["body"] | {"remote_id": found["id"]})
        field_ = self.abilities.search
        if not field_ or field_ not in request.params:
            return Answer.of(error_document("there is no search"), 404)
        wanted = request.params[field_]
        found_ones = [held for held in there if str(held["body"].get(field_)) == wanted]
        return Answer.of({"data": [held["body"] | {"remote_id": held["id"]} for held in found_ones]})


def _items(document: Any) -> list[Any]:
    """The items of a body: the list, the list in an envelope, or the one object."""
    if isinstance(document, list):
        return document
    lists = [value for value in document.values() if isinstance(value, list)] if isinstance(document, dict) else []
    return list(lists[0]) if len(lists) == 1 and len(document) == 1 else [document]


def _named(item: Any) -> dict[str, Any]:
    return {"id": item["id"]} if isinstance(item, Mapping) and "id" in item else {}


def _failure(at: int, item: Any, why: str) -> dict[str, Any]:
    error = {"code": "bad_item", "message": f"item {at} {why}"}
    return {"index": at, "status": "failed", "error": error} | _named(item)


def _before(rule: Rule, items: Sequence[Any]) -> Answer | Write | None:
    """The answer of a fault that applies nothing."""
    wait = {"retry_after": f"{rule.wait:g}"}
    if rule.fault == "before_reset":
        return reset
    answers = {
        "before_503": lambda: Answer.of(error_document("not now"), 503),
        "rate_429": lambda: Answer.of(error_document("too many requests"), 429, **wait),
        "auth_401": lambda: Answer.of(error_document("who are you?"), 401),
        "in_flight_409": lambda: Answer.of(error_document("a request with this key is under way"), 409, **wait),
        "size_413": lambda: Answer.of(error_document(f"{len(items)} items are too many"), 413),
        "poison_400": lambda: Answer.of(error_document("an item is bad"), 400),
        "error_200": lambda: Answer.of(error_document("nothing was done")),
    }
    return answers[rule.fault]() if rule.fault in answers else None


def _after(rule: Rule | None, answer: Answer, items: Sequence[Any]) -> Answer | Write:
    """The answer of a fault that has applied something."""
    fault = rule.fault if rule is not None else ""
    if fault in {"applied_timeout", "applied_reset"}:
        return never if fault == "applied_timeout" else reset
    if fault in {"applied_500", "half_500", "applied_503"}:
        return Answer.of(error_document(f"lost in {len(items)} items"), 503 if fault == "applied_503" else 500)
    if fault == "truncated_answer":
        return cut_off(answer)
    if fault == "slow" and rule is not None:
        return slowly(answer, rule.wait)
    return {"garbage_answer": PAGE, "empty_answer": Answer()}.get(fault, answer)
