"""The folder of one delivery's receipts: sidecars of batches, and the larger files that they are merged into.

``<run_id>.<batch>.<hash>.arrow`` and ``merged-<level>-<first>-<last>.<hash>.arrow``; the hash is the first 16 digits of
the sha256 of the file's bytes. A file that the ledger does not name says nothing: it was left by a try that came to no
end, or its receipts have been merged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dragoman.core.errors import FatalError
from dragoman.stage.files import StageFiles
from dragoman.stage.sidecar import broken, find_keys, open_receipts, pack_receipts

__all__ = ["RECEIPTS", "ReceiptFolder", "WrittenReceipts"]

RECEIPTS = "receipts"
_MERGED = "merged-"


@dataclass(frozen=True)
class WrittenReceipts:
    """A file of receipts: its path within the stage, the sha256 of its bytes (hex), its rows, its size in bytes."""

    path: str
    sha256: str
    rows: int
    size: int


class ReceiptFolder:
    """Reading and writing; its methods may be called from several threads."""

    def __init__(self, files: StageFiles, folder: str) -> None:
        self._files = files
        self._folder = folder

    def write_sidecar(self, run_id: str, batch: int, table: pa.Table, header: Mapping[str, Any]) -> WrittenReceipts:
        """Write the receipts of one batch; durable after ``settle``."""
        return self._write(f"{run_id}.{batch:05d}", table, header)

    def settle(self, paths: Sequence[str]) -> None:
        """Make these files durable."""
        self._files.settle(paths)

    def write_merged(self, level: int, first: int, last: int, table: pa.Table) -> WrittenReceipts:
        """Write the receipts of several sidecars, by their numbers in the chain; durable when this returns."""
        header = {"level": level, "first": first, "last": last}
        written = self._write(f"{_MERGED}{level}-{first:08d}-{last:08d}", table, header)
        self.settle([written.path])
        return written

    def find(self, path: str, keys: Sequence[int]) -> pa.Table:
        """The receipts of a file with these hashed keys; reads only the portions that may hold them.

        Raises:
            FatalError: ``receipts.unreadable``, ``stage.missing``.
        """
        with self._files.open(path) as stream:
            try:
                return find_keys(open_receipts(stream, path), keys)
            except (pa.ArrowInvalid, OSError, ValueError) as error:
                raise broken(path, error) from error

    def load(self, path: str, sha256: str = "") -> pa.Table:
        """All of a file; ``FatalError`` ``receipts.changed`` unless its bytes have that hash."""
        content = self._files.read(path)
        found = hashlib.sha256(content).hexdigest()
        if sha256 and found != sha256:
            raise FatalError(
                "receipts.changed",
                f"the file of receipts {path} is not the one that was written: its sha256 is {found}, "
                f"expected {sha256}",
                next_step="restore it from a backup; dragoman verify --all says which others are touched",
            )
        try:
            return open_receipts(content, path).read_all()
        except (pa.ArrowInvalid, OSError) as error:
            raise broken(path, error) from error

    def names(self) -> list[str]:
        """The paths of all files here."""
        return [f"{self._folder}/{name}" for name in self._files.names(self._folder)]

    def run_of(self, path: str) -> str:
        """The run that a sidecar belongs to; empty for a merged file."""
        name = path.rpartition("/")[2]
        return "" if name.startswith(_MERGED) else name.partition(".")[0]

    def level_of(self, path: str) -> int:
        """How many times over its receipts have been merged; 0 for a sidecar."""
        name = path.rpartition("/")[2]
        return int(name.split("-")[1]) if name.startswith(_MERGED) else 0

    def first_of(self, path: str) -> int:
        """The lowest number of the chain that a merged file was written with; 0 for a sidecar."""
        name = path.rpartition("/")[2]
        return int(name.split("-")[2]) if name.startswith(_MERGED) else 0

    def remove(self, paths: Iterable[str]) -> None:
        """Remove some files."""
        for path in paths:
            self._files.remove_file(path)

    def _write(self, stem: str, table: pa.Table, header: Mapping[str, Any]) -> WrittenReceipts:
        content = pack_receipts(table, header)
        sha256 = hashlib.sha256(content).hexdigest()
        path = f"{self._folder}/{stem}.{sha256[:16]}.arrow"
        self._files.write_early(path, memoryview(content))
        return WrittenReceipts(path, sha256, table.num_rows, content.size)
