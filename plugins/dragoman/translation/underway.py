"""A batch underway through a translator: the records that are still in, and what has become of the others."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import Reject
from dragoman.translation.judge import FILTERED
from dragoman.translation.translated import Translated

__all__ = ["Underway"]


class Underway:
    """One batch while it is translated: its records that are still in, and what has become of the others."""

    def __init__(self, table: pa.Table, rid_base: int) -> None:
        self.table = table
        self.result = Translated(records_in=table.num_rows)
        self._rid_base = rid_base
        self._rows: pa.Array | None = None

    def keep(self, rows: pa.Array) -> None:
        """Go on with these rows of ``table`` alone."""
        self.table = self.table.take(rows)
        self._rows = rows if self._rows is None else self._rows.take(rows)

    def rids(self, rows: pa.Array) -> pa.Array:
        """The record ids of rows of ``table``."""
        return pc.add(rows if self._rows is None else self._rows.take(rows), self._rid_base)

    def reject(self, code: str, message: str, field: str, row: int) -> None:
        """Reject the record of a row of ``table``."""
        rid = self.rids(pa.array([row], pa.int64()))[0].as_py()
        self.result.rejects.append(Reject(code, message, "translate", field=field, rid=rid))

    def count_filtered(self, codes: pa.ChunkedArray) -> None:
        """Count the records that the filter left out."""
        number = pc.sum(pc.equal(codes, FILTERED)).as_py() or 0
        if number:
            self.result.filtered["filter"] = self.result.filtered.get("filter", 0) + number
