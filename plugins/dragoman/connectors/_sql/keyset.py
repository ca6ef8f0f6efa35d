"""Incremental reading by a keyset: rows after the last committed position, up to a frozen bound, in their order.

With an id and no overlap a row is read once: ``(column, id) > (…)``. Without an id rows may share the last value, and
with an overlap rows may appear late with an older one: then the window is read again and what it brought before is
dropped by content (``Seen``).

A bound and a cursor are ``{"value": text, "id": text}`` in the database's own words (SQLite: its own numbers or text),
a cursor also has ``seen``; a bound over a table without a row is ``{"empty": true}``. A cursor that a person put
somewhere has ``put``: the rows at its value are read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dragoman.connectors._sql.identifiers import quote
from dragoman.connectors._sql.seen import Seen
from dragoman.core.errors import FatalError

__all__ = ["CHECK", "KEEP", "Dialect", "Keyset"]

KEEP, CHECK, PLAIN = "k", "c", "-"


class Dialect(Protocol):
    """How one database writes values of the two columns."""

    def literal(self, column: str, value: Any) -> str:
        """A value of this column as it stands in a cursor."""
        ...

    def earlier(self, column: str, value: Any, overlap: float) -> str:
        """The expression of ``value`` minus the overlap (seconds; units where the column is a number)."""
        ...


@dataclass(frozen=True)
class Keyset:
    """The cursor as written: ``column`` orders, ``id`` breaks ties (empty: none), ``overlap`` is in seconds."""

    column: str
    id: str
    overlap: float
    dialect: Dialect

    @classmethod
    def of(cls, cursor: Mapping[str, Any], dialect: Dialect) -> Keyset:
        """The keyset of ``cursor:`` as the steps hand it over."""
        return cls(str(cursor["column"]), str(cursor.get("id") or ""), float(cursor.get("overlap") or 0), dialect)

    @property
    def order(self) -> str:
        """ORDER BY of the read, over the source's columns: a bare name would mean what is selected, which is text."""
        return ", ".join(f"source.{quote(name)}" for name in (self.column, self.id) if name)

    @property
    def descending(self) -> str:
        """ORDER BY that brings the greatest position first."""
        return ", ".join(f"source.{quote(name)} DESC" for name in (self.column, self.id) if name)

    @property
    def rereads(self) -> bool:
        """Whether rows are read again and have to be told apart by content."""
        return not self.id or self.overlap > 0

    def placed(self) -> str:
        """The condition that a row has a position at all."""
        names = [self.column, self.id] if self.id else [self.column]
        return " AND ".join(f"{quote(name)} IS NOT NULL" for name in names)

    def unplaced(self) -> str:
        """The condition that it has none."""
        names = [self.column, self.id] if self.id else [self.column]
        return " OR ".join(f"{quote(name)} IS NULL" for name in names)

    def after(self, position: Mapping[str, Any]) -> str:
        """The condition that a row lies after a position (never with ties), or at it where a person put it there."""
        return self._compare(">=" if position.get("put") else ">", position)

    def window(self, cursor: Mapping[str, Any] | None, bound: Mapping[str, Any]) -> str:
        """The condition of what this run reads."""
        upper = self._compare("<=", bound)
        if cursor is None:
            return f"{self.placed()} AND {upper}"
        lower = f"{quote(self.column)} >= {self._low(cursor)}" if self.rereads else self.after(cursor)
        return f"{lower} AND {upper}"

    def between(self, low: Any, high: Any) -> str:
        """The condition of what a backfill reads: from ``low``, and up to but not including ``high``."""
        column = quote(self.column)
        literal = self.dialect.literal
        return (
            f"{self.placed()} AND {column} >= {literal(self.column, low)} AND {column} < {literal(self.column, high)}"
        )

    def still(self, cursor: Mapping[str, Any]) -> dict[str, Any]:
        """The bound where nothing lies behind the cursor."""
        return {"value": cursor["value"], "id": cursor.get("id")} | ({"put": True} if cursor.get("put") else {})

    def flag(self, cursor: Mapping[str, Any] | None, bound: Mapping[str, Any]) -> str:
        """An expression of one letter a row: kept for the next run, to be checked, both (``b``), or neither."""
        column = quote(self.column)
        keep = f"{column} >= {self._low(bound)}"
        if cursor is None:
            return f"CASE WHEN {keep} THEN '{KEEP}' ELSE '{PLAIN}' END"
        check = f"{column} <= {self.dialect.literal(self.column, cursor['value'])}"
        return (
            f"CASE WHEN {keep} AND {check} THEN 'b' WHEN {keep} THEN '{KEEP}' "
            f"WHEN {check} THEN '{CHECK}' ELSE '{PLAIN}' END"
        )

    def end(self, bound: Mapping[str, Any], seen: Seen | None) -> dict[str, Any]:
        """The cursor to commit."""
        return self.still(bound) | {"seen": seen.packed if seen else ""}

    def require(self, cursor: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """A committed cursor that this keyset can go on from."""
        if cursor is None or "value" not in cursor:
            return None
        if self.id and not self.rereads and cursor.get("id") is None and not cursor.get("put"):
            raise FatalError(
                "cursor.no_id",
                f"the committed cursor has no {self.id!r}: it was read without an id",
                next_step="keep the cursor without id:, or set an overlap: for the first run with it",
            )
        return cursor

    def _low(self, position: Mapping[str, Any]) -> str:
        if not self.overlap:
            return self.dialect.literal(self.column, position["value"])
        return self.dialect.earlier(self.column, position["value"], self.overlap)

    def _compare(self, sign: str, position: Mapping[str, Any]) -> str:
        value = self.dialect.literal(self.column, position["value"])
        if not self.id or position.get("id") is None:
            return f"{quote(self.column)} {sign} {value}"
        last = self.dialect.literal(self.id, position["id"])
        return f"({quote(self.column)}, {quote(self.id)}) {sign} ({value}, {last})"
