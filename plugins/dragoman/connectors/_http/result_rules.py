"""Where an API says what became of each item: the option ``result`` of a delivery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dragoman.core.errors import ConfigError

__all__ = ["BY_INDEX", "BY_POSITION", "ResultRules", "result_rules"]

BY_INDEX, BY_POSITION = "index", "position"
"""What a result may refer to instead of a column: the item's place in the request, counted from 0 or from 1."""


@dataclass(frozen=True)
class ResultRules:
    """Paths are keys parted by dots; empty where nothing is said.

    ``items``: where the list with a result per item stands, None where there is none. ``failed``: where the list of
    failures alone stands. ``ref`` and ``column``: the field of a result that says which item it is of, and the column
    that was sent with that value, or ``index`` or ``position``; without ``ref`` results stand in the items' order.
    ``ok``: values of ``status`` that mean success, in lower case.
    """

    items: str | None = None
    failed: str | None = None
    ref: str = ""
    column: str = BY_INDEX
    status: str = ""
    ok: frozenset[str] = frozenset()
    id: str = ""
    code: str = ""
    error: str = ""
    field: str = ""
    atomic: bool = False

    @property
    def listed(self) -> bool:
        """Whether results stand item by item."""
        return self.items is not None or self.failed is not None


def result_rules(option: Mapping[str, Any] | None) -> ResultRules | None:
    """The rules of the option, None where it is not written. Raises ``ConfigError`` ``http.result``."""
    if option is None:
        return None
    ref, column = _match(option.get("match"), failed=option.get("failed") is not None)
    if option.get("ok") and not option.get("status"):
        raise ConfigError(
            "http.result",
            "result.ok lists values of a status, and result.status does not say where it stands",
            next_step="write result.status: the keys, parted by dots, at which the status of a result stands",
        )
    return ResultRules(
        items=option.get("items"),
        failed=option.get("failed"),
        ref=ref,
        column=column,
        status=str(option.get("status") or ""),
        ok=frozenset(_word(value) for value in option.get("ok") or ()),
        id=str(option.get("id") or ""),
        code=str(option.get("code") or ""),
        error=str(option.get("error") or ""),
        field=str(option.get("field") or ""),
        atomic=bool(option.get("atomic")),
    )


def _match(match: Mapping[str, Any] | None, *, failed: bool) -> tuple[str, str]:
    if not match:
        return (BY_INDEX, BY_INDEX) if failed else ("", BY_INDEX)
    field, column = str(match.get("field") or ""), str(match.get("column") or "")
    if field in {"", BY_INDEX} and not column:
        return (BY_INDEX, BY_INDEX) if failed else ("", BY_INDEX)
    return field or column, column or field


def _word(value: Any) -> str:
    return (str(value).lower() if isinstance(value, bool) else str(value)).strip().lower()
