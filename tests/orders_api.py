"""An API for orders, over real HTTP, that fails as a test says: an answer lost, a 503 before or after, a part refused."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from dragoman.testing.http_server import Answer, Request

LOST, AFTER, BEFORE, OK = "lost", "503_after", "503_before", "ok"


@dataclass
class OrdersApi:
    """The handler of a server. ``POST /orders`` takes one order or a list, ``GET /orders/7`` gives order 7.

    ``kind``: ``idempotency`` (the same Idempotency-Key is taken once), ``upsert`` (by number), else every POST appends.
    ``atomic``: it takes all orders of a list or none. ``fault``: what happens to the n-th POST (from 1). ``bad``: numbers that are refused unless they
    have a quantity.
    """

    kind: str = ""
    fault: Callable[[int], str] = field(default=lambda _nth: OK)
    bad: frozenset[int] = frozenset()
    atomic: bool = False
    orders: list[dict[str, Any]] = field(default_factory=list)
    posts: int = 0
    _stored: dict[str, tuple[bytes, Answer]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request) -> Any:
        with self._lock:
            if request.method == "GET":
                return self._get(int(request.path.rpartition("/")[2]))
            self.posts += 1
            word = self.fault(self.posts)
            if word == BEFORE:
                return Answer.of({"error": "busy"}, 503)
            answer = self._post(request)
            if word == AFTER:
                return Answer.of({"error": "gateway"}, 503)
            return _cut if word == LOST else answer

    @property
    def numbers(self) -> list[int]:
        """Which orders there are, in order, doubles as often as they are there."""
        return sorted(order["number"] for order in self.orders)

    @property
    def doubled(self) -> list[int]:
        return [number for number, times in Counter(self.numbers).items() if times > 1]

    def _get(self, number: int) -> Answer:
        found = next((one for one in self.orders if one["number"] == number), None)
        return Answer.of(found) if found else Answer.of({"error": "not found"}, 404)

    def _post(self, request: Request) -> Answer:
        key = request.headers.get("idempotency-key", "")
        if self.kind == "idempotency":
            if not key:
                return Answer.of({"error": "Idempotency-Key is missing"}, 400)
            if key in self._stored:
                body, answer = self._stored[key]
                return answer if body == request.body else Answer.of({"error": "the key was used for another"}, 422)
        given = json.loads(request.body)
        many = isinstance(given, list)
        if self.atomic and many and any(order["number"] in self.bad for order in given):
            return Answer.of({"error": "an order of the list has no quantity"}, 422)
        results = [self._take(order) for order in (given if many else [given])]
        if many:
            answer = Answer.of([{"status": code, **said} for code, said in results], 207)
        else:
            code, said = results[0]
            answer = Answer.of(said, code)
        self._stored[key] = (request.body, answer)
        return answer

    def _take(self, order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if order["number"] in self.bad and not order.get("quantity"):
            return 422, {"error": {"code": "quantity", "message": f"order {order['number']} has no quantity"}}
        if self.kind == "upsert":
            self.orders = [one for one in self.orders if one["number"] != order["number"]]
        self.orders.append({**order, "id": f"o-{order['number']}"})
        return 201, {"id": f"o-{order['number']}"}


def _cut(stream: BinaryIO, _closing: threading.Event) -> None:
    """A connection that breaks before the answer."""
    stream.flush()
