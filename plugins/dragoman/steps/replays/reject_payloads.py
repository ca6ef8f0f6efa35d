"""Payloads of rejects by their index: a few files at a time are held, for those that follow each other share one."""

from __future__ import annotations

from collections import OrderedDict

from dragoman.core.batch import Reject
from dragoman.ledger.rows import RejectRow
from dragoman.stage.store import Stage

__all__ = ["RejectPayloads"]

_FILES = 4


class RejectPayloads:
    """Loads payloads; ``FatalError`` (``stage.missing``, ``stage.changed``) where the stage no longer has them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._files: OrderedDict[str, list[Reject]] = OrderedDict()

    def first(self, row: RejectRow) -> Reject:
        """As it was rejected."""
        return self._load(row.path, row.sha256)[row.row]

    def corrected(self, row: RejectRow) -> Reject | None:
        """As a person corrected it; None where nobody has."""
        return self._load(row.corrected, row.corrected_sha256)[0] if row.corrected else None

    def _load(self, path: str, sha256: str) -> list[Reject]:
        if path not in self._files:
            while len(self._files) >= _FILES:
                self._files.popitem(last=False)
            self._files[path] = self._stage.load_rejects(path, sha256)
        self._files.move_to_end(path)
        return self._files[path]
