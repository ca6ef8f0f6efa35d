"""What has to stand at a destination once everything has run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["Expected", "Key", "key_of", "same"]

Key = tuple[str, ...]


@dataclass(frozen=True)
class Expected:
    """Rows by their key, and the keys that have to be rejected.

    ``rows``: only the columns that are named count. ``key``: the columns that tell rows apart. ``rejected``: keys of
    records that are bad. ``maybe``: keys of records that may have gone either way (a peer may or may not have applied
    them). ``source_key``: what the key's columns are called in the source, where that differs.
    """

    rows: Mapping[Key, Mapping[str, Any]]
    key: tuple[str, ...]
    rejected: frozenset[Key] = frozenset()
    maybe: frozenset[Key] = frozenset()
    source_key: tuple[str, ...] = field(default=())

    @classmethod
    def of(
        cls,
        rows: Iterable[Mapping[str, Any]],
        key: Sequence[str],
        *,
        rejected: Collection[Any] = (),
        maybe: Collection[Any] = (),
        source_key: Sequence[str] = (),
    ) -> Expected:
        """From plain rows; keys of one column may be written as plain values.

        Raises:
            ValueError: two rows have one key.
        """
        columns = tuple(key)
        found: dict[Key, Mapping[str, Any]] = {}
        for row in rows:
            at = key_of(row, columns)
            if at in found:
                raise ValueError(f"two expected rows have the key {at}")
            found[at] = row
        return cls(found, columns, _keys(rejected), _keys(maybe), tuple(source_key) or columns)


def key_of(row: Mapping[str, Any], columns: Sequence[str]) -> Key:
    """The values of the key as text, so that systems that type them otherwise agree."""
    return tuple(_text(row.get(column)) for column in columns)


def same(wanted: Any, found: Any) -> bool:
    """Whether a found value is the wanted one, judged by the type of the wanted one.

    Text has to be the same text, a number the same exact number however the system writes it, a moment the same moment.
    """
    if wanted is None or found is None:
        return wanted is None and found is None
    if isinstance(wanted, bool):
        return _text(found).lower() in ({"true", "1", "t"} if wanted else {"false", "0", "f"})
    if isinstance(wanted, int | Decimal | float):
        try:
            return Decimal(_text(found)) == Decimal(_text(wanted))
        except InvalidOperation:
            return False
    if isinstance(wanted, datetime):
        return _moment(found) == _moment(wanted)
    if isinstance(wanted, bytes | bytearray | memoryview):
        return isinstance(found, bytes | bytearray | memoryview) and bytes(found) == bytes(wanted)
    return _text(found) == _text(wanted)


def _keys(keys: Collection[Any]) -> frozenset[Key]:
    return frozenset(
        tuple(_text(part) for part in one) if isinstance(one, tuple | list) else (_text(one),) for one in keys
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _moment(value: Any) -> datetime | None:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
