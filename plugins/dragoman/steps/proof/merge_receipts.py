"""Many small files of receipts become few large ones, so that looking one up stays fast.

Files of one level are merged 32 at a time into one of the next level, of up to a million receipts. A merged file is
written and durable before the ledger names it, and the small ones go after that, so a kill leaves nothing worse than a
file that nobody names. The links of the chain stay as they are: each still has the hash of what its own sidecar said,
and ``verify`` takes that sidecar's receipts out of the merged file to compute it again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.errors import DragomanError
from dragoman.core.failpoints import failpoint
from dragoman.ledger.rows import ReceiptFile
from dragoman.stage.receipt_folder import ReceiptFolder
from dragoman.stage.sidecar import NUMBER, order_of
from dragoman.steps.work import Work
from dragoman.steps.workplace import Workplace

__all__ = ["FAN_IN", "ReceiptMerger", "merge_when_due"]

_LOG = logging.getLogger(__name__)
FAN_IN = 32
MOST_ROWS = 1 << 20
SMALL_ROWS = 1 << 15
"""What is merged when a run closes: larger files wait for the housekeeping."""


def merge_when_due(work: Work) -> None:
    """At the close of a run: merge if its links have filled another 32; what fails is told, and waits."""
    ledger, integration = work.place.ledger, work.flow.integration
    numbers = [link.number for link in ledger.receipt_links(integration, 0, work.run_id)]
    if not numbers or numbers[-1] // FAN_IN == (numbers[0] - 1) // FAN_IN:
        return
    for delivery in work.flow.deliveries:
        try:
            ReceiptMerger(work.place, integration, delivery.node, work.token).run(SMALL_ROWS)
        except DragomanError as error:
            _LOG.warning("receipts of %s %s are not merged: %s", integration, delivery.node, error)


class ReceiptMerger:
    """Merges the files of one delivery; its caller holds the lease with this ``token``."""

    def __init__(self, place: Workplace, integration: str, node: str, token: int) -> None:
        self._place = place
        self._integration = integration
        self._node = node
        self._token = token
        self._folder: ReceiptFolder = place.stage.receipts(integration, node)

    def run(self, most: int = MOST_ROWS) -> int:
        """Merge what is due, level by level; files with more receipts than ``most`` stay. Returns how many went."""
        gone, level = 0, 0
        while True:
            files = self._place.ledger.receipt_files(self._integration, self._node)
            levels = {file.path: self._folder.level_of(file.path) for file in files}
            for group in _groups([file for file in files if levels[file.path] == level and file.rows <= most]):
                self.merge(group, level + 1)
                gone += len(group)
            if level >= max(levels.values(), default=0):
                return gone
            level += 1

    def due(self, most: int = MOST_ROWS) -> bool:
        """Whether there is anything to merge."""
        levels: dict[int, list[ReceiptFile]] = {}
        for file in self._place.ledger.receipt_files(self._integration, self._node):
            if file.rows <= most:
                levels.setdefault(self._folder.level_of(file.path), []).append(file)
        return any(next(_groups(files), None) for files in levels.values())

    def merge(self, files: Sequence[ReceiptFile], level: int, above: int = 0) -> None:
        """Put several files into one; only links with a number above ``above`` go with them.

        Raises:
            FatalError: ``receipts.changed`` and others, where a file is not what was written: nothing is merged then.
        """
        tables = [self._numbered(file) for file in files]
        table = pa.concat_tables(tables, promote_options="permissive")
        if above:
            table = table.filter(pc.greater(table.column(NUMBER), above))
        keys = table.column("key").combine_chunks().to_numpy()
        table = table.take(pa.array(order_of(keys)))
        first, last = min(file.first for file in files), max(file.last for file in files)
        written = self._folder.write_merged(level, first, last, table)
        failpoint("receipts.merged")
        old = [file.path for file in files if file.path != written.path]
        self._place.ledger.repoint_receipts(self._integration, self._token, old, written)
        failpoint("receipts.repointed")
        self._folder.remove(old)

    def _numbered(self, file: ReceiptFile) -> pa.Table:
        table = self._folder.load(file.path, file.file_sha256).replace_schema_metadata(None)
        if NUMBER in table.column_names:
            return table
        return table.append_column(NUMBER, pa.repeat(pa.scalar(file.first, pa.int64()), table.num_rows))


def _groups(files: Sequence[ReceiptFile]) -> Iterator[list[ReceiptFile]]:
    """So many files of one level as make one of the next: 32, or fewer that are a million receipts together."""
    group: list[ReceiptFile] = []
    rows = 0
    for file in files:
        if (len(group) > 1 and rows + file.rows > MOST_ROWS) or len(group) == FAN_IN:
            yield group
            group, rows = [], 0
        group.append(file)
        rows += file.rows
    if len(group) == FAN_IN:
        yield group
