"""The index of rejects: whole pages of it, or those that somebody chooses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dragoman.ledger import tables
from dragoman.ledger.part import Part
from dragoman.ledger.rows import RejectRow

__all__ = ["RejectIndex", "Wanted", "numbered", "portions"]

_AT_ONCE = 400


@dataclass(frozen=True)
class Wanted:
    """Which rejects of an integration: all that fit every word; an empty word fits all."""

    numbers: tuple[int, ...] = ()
    run_id: str = ""
    code: str = ""
    field: str = ""
    stage: str = ""
    states: tuple[str, ...] = ()

    def of(self, integration: str) -> list[sa.ColumnElement[bool]]:
        """As conditions."""
        table = tables.reject
        found = [table.c.integration == integration]
        if self.numbers:
            found.append(table.c.id.in_(self.numbers))
        if self.states:
            found.append(table.c.state.in_(self.states))
        words = ("run_id", "code", "field", "stage")
        return [*found, *(table.c[name] == getattr(self, name) for name in words if getattr(self, name))]


class RejectIndex(Part):
    """Reading rejects whatever became of them; each has a number, which it keeps."""

    def rejects_page(
        self, integration: str, *, run_id: str = "", after: int = 0, limit: int = 50
    ) -> list[tuple[int, RejectRow]]:
        """The integration's rejects, newest first, each with its number in the ledger.

        Args:
            integration: whose.
            run_id: only those of this run.
            after: the last number of the page before; 0 for the first page.
            limit: how many at most.
        """
        table = tables.reject
        query = sa.select(table).where(table.c.integration == integration).order_by(table.c.id.desc()).limit(limit)
        if run_id:
            query = query.where(table.c.run_id == run_id)
        if after:
            query = query.where(table.c.id < after)
        with self._db.read() as connection:
            return [numbered(row) for row in connection.execute(query)]

    def rejects_after(
        self, integration: str, wanted: Wanted, *, after: int = 0, limit: int = 500
    ) -> list[tuple[int, RejectRow]]:
        """The chosen ones with a number above ``after``, oldest first."""
        table = tables.reject
        query = sa.select(table).where(*wanted.of(integration), table.c.id > after).order_by(table.c.id).limit(limit)
        with self._db.read() as connection:
            return [numbered(row) for row in connection.execute(query)]

    def rejects_numbered(self, numbers: Sequence[int]) -> Iterator[tuple[int, RejectRow]]:
        """Those with the numbers, in the order of the numbers."""
        table = tables.reject
        for some in portions(numbers):
            with self._db.read() as connection:
                query = sa.select(table).where(table.c.id.in_(some))
                found = dict(numbered(row) for row in connection.execute(query))
            yield from ((number, found[number]) for number in some if number in found)

    def rejects_of_node(self, run_id: str, node: str) -> list[RejectRow]:
        """All rejects of one node of a run, in the order in which they were noted."""
        table = tables.reject
        query = sa.select(table).where(table.c.run_id == run_id, table.c.node == node).order_by(table.c.id)
        with self._db.read() as connection:
            return [numbered(row)[1] for row in connection.execute(query)]

    def count_rejects(self, integration: str, wanted: Wanted) -> int:
        """How many are chosen."""
        query = sa.select(sa.func.count()).select_from(tables.reject).where(*wanted.of(integration))
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())


def numbered(row: sa.Row[Any]) -> tuple[int, RejectRow]:
    """A row of the index and its number."""
    values = dict(row._mapping)
    return int(values.pop("id")), RejectRow(**values)


def portions(things: Sequence[int]) -> Iterable[Sequence[int]]:
    """So many at once as a statement takes."""
    return (things[at : at + _AT_ONCE] for at in range(0, len(things), _AT_ONCE))
