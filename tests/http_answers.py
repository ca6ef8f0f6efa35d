"""What one answer means for the items that were sent, without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dragoman.connectors._http.location import parse_location
from dragoman.connectors._http.masking import Mask
from dragoman.connectors._http.result_rules import result_rules
from dragoman.connectors._http.sending import Reply
from dragoman.connectors._http.verdicts import Terms, judge
from dragoman.core.items import Answered, Item

PLACE = parse_location("https://api.example.com/orders")
LETTERS = {"delivered": "D", "refused": "R", "again": "A", "unknown": "U"}


def items(count: int, **more: Any) -> list[Item]:
    """Items with ids 10, 11, … and skus a, b, …"""
    made = []
    for row in range(count):
        values = {"id": 10 + row, "sku": chr(97 + row), **more}
        made.append(Item(row, f"id={10 + row}", f"{row:032x}", values, json.dumps(values, default=str).encode()))
    return made


def answer(
    body: Any = b"",
    *,
    status: int = 200,
    count: int = 1,
    headers: Mapping[str, str] | None = None,
    result: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    **terms: bool,
) -> Answered:
    """Judge one answer; a body that is no bytes or text goes as JSON."""
    kind = {"content-type": "application/json"}
    if isinstance(body, str):
        raw = body.encode("utf-8", "surrogatepass")
    else:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = Reply(PLACE, status, {**kind, **(headers or {})}, raw)
    return judge(
        reply, items(count, **(values or {})), Terms(rules=result_rules(result), **terms), Mask("s3cret-token")
    )


def letters(answered: Answered) -> str:
    """``DRAU``, one letter for each item; ``*`` behind them where the request was judged as one."""
    return "".join(LETTERS[one.state] for one in answered.outcomes) + ("*" if answered.together else "")
