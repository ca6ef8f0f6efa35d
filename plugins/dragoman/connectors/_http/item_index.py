"""Finds the item of a request that a value of an answer names; numbers are compared as numbers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from dragoman.core.items import Item

__all__ = ["ItemIndex", "same_value"]

_SEVERAL = -1


class ItemIndex:
    """The items of one request by the values of one column."""

    def __init__(self, items: Sequence[Item], column: str) -> None:
        self._rows: dict[Hashable, int] = {}
        for row, item in enumerate(items):
            for key in _keys_of(item.values.get(column)):
                self._rows[key] = row if key not in self._rows else _SEVERAL

    def row(self, named: Any) -> int | None:
        """Which item has this value; None for none, for several, and for what is no plain value."""
        keys = _keys_of(named)
        if not keys:
            return None
        text, number = keys[0], keys[-1]
        row = self._rows.get(text)
        if row is None and isinstance(number, tuple):
            row = self._rows.get(number if number[0] == "number" else ("number", number[1]))
            if row is None and number[0] == "number":
                row = self._rows.get(("text", number[1]))
        return None if row is None or row == _SEVERAL else row


def same_value(sent: Any, named: Any) -> bool:
    """Whether a value of an answer is the one that was sent."""
    return ItemIndex([Item(0, "", "", {"": sent}, b"")], "").row(named) == 0


def _keys_of(value: Any) -> list[Hashable]:
    """A value as a text, and where it is a number as a number, with the word for how it was written."""
    if value is None or isinstance(value, bytes | list | dict):
        return []
    if isinstance(value, bool):
        return [str(value).lower()]
    text = str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return [text]
    if not number.is_finite():
        return [text]
    return [text, ("text" if isinstance(value, str) else "number", number)]
