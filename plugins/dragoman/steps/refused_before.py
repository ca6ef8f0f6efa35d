"""What an earlier try of a delivery could not deliver, as the ledger noted it before the destination committed."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import RID
from dragoman.steps.rejects import original_of
from dragoman.steps.work import Work

__all__ = ["RefusedBefore"]


class RefusedBefore:
    """Finds the outputs again among those that are made anew, by their record and their content."""

    def __init__(self, work: Work, node: str) -> None:
        self._work = work
        self._node = node

    def rows(self, outputs: pa.Table) -> list[int]:
        """The rows of a batch's outputs that were refused, or that are in doubt."""
        left = self._left
        if not left or RID not in outputs.column_names:
            return []
        rids = outputs.column(RID).combine_chunks()
        wanted = pa.array(sorted({rid for rid, _mapped in left}), pa.int64())
        found = []
        for row in pc.indices_nonzero(pc.is_in(rids, value_set=wanted)).to_pylist():
            which = (rids[row].as_py(), original_of(outputs, row))
            if left[which] > 0:
                left[which] -= 1
                found.append(row)
        return found

    @cached_property
    def _left(self) -> Counter[tuple[int, str]]:
        stage = self._work.place.stage
        files = {}
        left: Counter[tuple[int, str]] = Counter()
        for reject in self._work.place.ledger.rejects_of_node(self._work.run_id, self._node):
            if reject.path not in files:
                files[reject.path] = stage.load_rejects(reject.path, reject.sha256)
            left[reject.rid, files[reject.path][reject.row].mapped or ""] += 1
        return left
