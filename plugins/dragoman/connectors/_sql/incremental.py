"""Reading a table or a query: all of it, one interval of its cursor, or what is new since the committed position."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.keyset import Keyset
from dragoman.connectors._sql.nowhere import unplaced
from dragoman.connectors._sql.seen import Seen
from dragoman.core.batch import ReadBatch, ReadEnd, ReadKeys
from dragoman.core.errors import FatalError
from dragoman.core.ports import ReadRequest

__all__ = ["Asked", "Relation", "check_finite", "greatest", "read_keys", "read_relation"]


class Relation(Protocol):
    """What one system knows of the relation that it reads, within one snapshot."""

    @property
    def keyset(self) -> Keyset | None:
        """Its cursor, None where all of it is read each time."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The staged columns of a row."""
        ...

    def batches(self, tail: str = "", flag: str = "", seen: Seen | None = None) -> Iterator[ReadBatch]:
        """The rows of ``SELECT … FROM … <tail>``. ``flag``: the expression by which ``seen`` judges each row."""
        ...

    def ends(self, keyset: Keyset, interval: tuple[str, str]) -> Sequence[Any]:
        """The two ends of a backfill's interval, as values of the cursor's column."""
        ...

    def bound(self, keyset: Keyset, request: ReadRequest) -> Mapping[str, Any]:
        """The greatest position now."""
        ...

    @property
    def always_placed(self) -> bool:
        """Whether no row can lack a position, so that nobody needs to look for such rows."""
        ...


def read_relation(relation: Relation, request: ReadRequest) -> Iterator[ReadBatch | ReadEnd]:
    """Batches, then the end with the cursor to commit."""
    if (keyset := relation.keyset) is None:
        yield from relation.batches()
        yield ReadEnd()
        return
    if request.interval:
        inside = keyset.between(*relation.ends(keyset, request.interval))
        yield from relation.batches(f"WHERE {inside} ORDER BY {keyset.order}")
        yield ReadEnd(nothing_new=True)
        return
    cursor = keyset.require(request.cursor)
    if not relation.always_placed:
        for batch in relation.batches(f"WHERE {keyset.unplaced()}"):
            yield unplaced(batch, keyset)
    bound = request.bound or relation.bound(keyset, request)
    if "value" not in bound:
        yield ReadEnd(cursor=cursor, nothing_new=True)
        return
    seen = Seen(cursor.get("seen") or "" if cursor else "") if keyset.rereads else None
    flag = keyset.flag(cursor, bound) if seen else ""
    yield from relation.batches(f"WHERE {keyset.window(cursor, bound)} ORDER BY {keyset.order}", flag, seen)
    yield ReadEnd(cursor=keyset.end(bound, seen), nothing_new=True)


def read_keys(relation: Relation, keys: Relation) -> Iterator[ReadKeys]:
    """The keys of all rows of a relation. ``keys``: the same one, cut down to the columns of the keys."""
    yield ReadKeys(keys.schema.empty_table(), relation.schema)
    for batch in keys.batches():
        yield ReadKeys(batch.table, relation.schema)


@dataclass(frozen=True)
class Asked:
    """How ``greatest`` asks: ``run`` a statement over ``relation``; ``shown`` is how a position's value is selected."""

    run: Callable[[str], list[tuple[Any, ...]]]
    relation: str
    shown: Callable[[str], str] = quote


def greatest(asked: Asked, keyset: Keyset, request: ReadRequest) -> dict[str, Any]:
    """The greatest position now, never one before the committed cursor; ``{"empty": True}`` where no row has one."""
    names = ", ".join(asked.shown(name) for name in (keyset.column, keyset.id or keyset.column))
    found = asked.run(
        f"SELECT {names} FROM {asked.relation} WHERE {keyset.placed()} ORDER BY {keyset.descending} LIMIT 1"
    )
    cursor = keyset.require(request.cursor)
    if cursor is not None:
        newer = f"SELECT 1 FROM {asked.relation} WHERE {keyset.placed()} AND {keyset.after(cursor)} LIMIT 1"
        if not asked.run(newer):
            return keyset.still(cursor)
    if not found:
        return {"empty": True}
    value, last = found[0]
    return {"value": value, "id": last if keyset.id else None}


def check_finite(keyset: Keyset, bound: Mapping[str, Any]) -> None:
    """Refuse ``infinity`` as a bound (``cursor.infinite``)."""
    if bound.get("value") == "infinity":
        raise FatalError(
            "cursor.infinite",
            f"the greatest {keyset.column!r} is infinity: no later row could ever be read",
            next_step="read a query that leaves such rows out",
        )
