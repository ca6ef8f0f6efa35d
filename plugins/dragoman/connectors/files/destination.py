"""Writes files: aside first, then by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

from dragoman.connectors.files.root import Root, open_root
from dragoman.core.connection import Connection
from dragoman.core.ports import FileDraft

__all__ = ["FilesDestination", "open_destination"]


def open_destination(connection: Connection | None, options: Mapping[str, Any]) -> FilesDestination:
    """A destination of files; its options are for the step that fills them (``steps/files/encode.py``)."""
    del options
    root = open_root(connection)
    root.check(create=True)
    return FilesDestination(root)


class FilesDestination:
    """Files below one root."""

    def __init__(self, root: Root) -> None:
        self._root = root

    def draft(self, path: str, run_id: str) -> FileDraft:
        """Begin a file."""
        return self._root.draft(path, run_id)

    def finish(self, path: str, run_id: str) -> None:
        """Publish a complete draft of that run; nothing where that is done."""
        self._root.finish(path, run_id)

    def existing(self, path: str) -> BinaryIO | None:
        """What stands at ``path`` now, or None."""
        return self._root.open(path) if self._root.stat(path) is not None else None

    def close(self) -> None:
        """Nothing stays open."""
