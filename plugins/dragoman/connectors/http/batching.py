"""How items go into requests, and the bodies that they make."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from dragoman.core.items import Item

__all__ = ["Batching"]


class Batching:
    """The option ``batch`` of a delivery; without it each request holds one item, as one JSON object."""

    def __init__(self, option: Mapping[str, Any] | None) -> None:
        option = option if option is not None else {"size": 1}
        self.listed = ("size" in option and option.get("size") != 1) or bool(option.get("envelope"))
        self._size = int(option.get("size") or 1)
        self._bytes = int(option.get("bytes") or 0)
        keys = [part for part in str(option.get("envelope") or "").split(".") if part]
        self._begin = b"".join(b"{" + msgspec.json.encode(key) + b":" for key in keys) + b"["
        self._end = b"]" + b"}" * len(keys)

    def requests(self, items: Sequence[Item], alone: Callable[[Item], bool]) -> Iterator[Sequence[Item]]:
        """The items in their order, by number and by size; one for which ``alone`` holds gets no company."""
        taken: list[Item] = []
        size = len(self._begin) + len(self._end)
        for item in items:
            more = len(item.body) + 1
            apart = alone(item)
            full = len(taken) >= self._size or (self._bytes and size + more > self._bytes)
            if taken and (apart or full):
                yield taken
                taken, size = [], len(self._begin) + len(self._end)
            if apart:
                yield [item]
                continue
            taken.append(item)
            size += more
        if taken:
            yield taken

    def body(self, items: Sequence[Item]) -> bytes:
        """The body of a request."""
        if not self.listed:
            return items[0].body
        return self._begin + b",".join(item.body for item in items) + self._end

    @staticmethod
    def token(items: Sequence[Item]) -> str:
        """The idempotency key of a request: the item's own, or one that is made of those of all its items."""
        if len(items) == 1:
            return items[0].token
        return hashlib.sha256(" ".join(item.token for item in items).encode()).hexdigest()[:32]
