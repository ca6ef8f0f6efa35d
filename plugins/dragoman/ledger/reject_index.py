"""The index of rejects, page by page."""

from __future__ import annotations

import sqlalchemy as sa

from dragoman.ledger import tables
from dragoman.ledger.part import Part
from dragoman.ledger.rows import RejectRow

__all__ = ["RejectIndex"]


class RejectIndex(Part):
    """Reading rejects whatever became of them."""

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
            found = [dict(row._mapping) for row in connection.execute(query)]
        return [(int(values.pop("id")), RejectRow(**values)) for values in found]
