"""Reads files: which ones are new, whole and still."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from dragoman.connectors.files.root import Root, Stat, below_pattern, has_pattern, open_root, safe_path
from dragoman.core import clock
from dragoman.core.connection import Connection
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.ports import ReadRequest, SourceFile

__all__ = ["FilesSource", "open_source"]


def open_source(connection: Connection | None, options: Mapping[str, Any]) -> FilesSource:
    """A source of files; options as in ``connector.yaml``."""
    return FilesSource(open_root(connection), options)


class FilesSource:
    """Files below one root. A mark is ``sha256:size:stamp``; same size and stamp spare the hashing."""

    def __init__(self, root: Root, options: Mapping[str, Any]) -> None:
        self._root = root
        self._path = safe_path(str(options["path"]))
        self._reread = str(options.get("reread") or "never")
        self._settle = float(options.get("settle") or 0)
        after = options.get("after") or {}
        self._done = safe_path(str(after["move"])) if after.get("move") else ""

    def files(self, request: ReadRequest) -> Iterator[SourceFile]:
        """All are judged before the first is given.

        Raises:
            FatalError: ``files.missing`` (a path without pattern), ``files.changed`` (a delivered file has other
                content), ``files.outside``, ``files.no_file``, ``files.unreadable``.
        """
        found = [path for path in self._root.find(self._path) if not self._is_done(path)]
        if not found and not has_pattern(self._path):
            if self._done and request.marks(self._path):
                return iter(())
            raise FatalError(
                "files.missing",
                f"there is no file {self._path} below {self._root.name}",
                next_step="have the file sent, correct the path, or write a pattern such as *.csv if it may be missing",
            )
        chosen = [self._file(path, about) for path in found if (about := self._wanted(path, request)) is not None]
        return iter(chosen)

    def _wanted(self, path: str, request: ReadRequest) -> Stat | None:
        about = self._root.stat(path)
        if about is None or (self._settle and clock.now().timestamp() - about.changed < self._settle):
            return None
        mark = request.marks(path) if self._reread != "always" else ""
        if not mark:
            return about
        known, size, stamp = mark.split(":", 2)
        if size == str(about.size) and (stamp == about.stamp or self._hash(path) == known):
            self.after_close([path])  # its run was closed and killed before it could move it
            return None
        if self._reread == "changed":
            return about
        raise FatalError(
            "files.changed",
            f"{path} was read before and has other content now",
            next_step="give new content a new name, or write reread: changed to read it anew",
        )

    def _file(self, path: str, about: Stat) -> SourceFile:
        return SourceFile(path=path, size=about.size, stamp=about.stamp, open=lambda: self._root.open(path))

    def _hash(self, path: str) -> str:
        with self._root.open(path) as stream:
            digest = hashlib.sha256()
            while portion := stream.read(1 << 20):
                digest.update(portion)
        return digest.hexdigest()

    def _is_done(self, path: str) -> bool:
        return bool(self._done) and PurePosixPath(path).is_relative_to(self._done)

    def mark(self, file: SourceFile, sha256: str) -> str:
        """The mark of a file that was read to its end.

        Raises:
            RetriableError: ``files.changing`` where it is not as it was when it was chosen.
        """
        about = self._root.stat(file.path)
        if about is None or (about.size, about.stamp) != (file.size, file.stamp):
            raise RetriableError(
                "files.changing",
                f"{file.path} changed while it was read",
                next_step="write settle: 30s, so that only files that are still are taken",
            )
        return f"{sha256}:{file.size}:{file.stamp}"

    def after_close(self, paths: list[str]) -> None:
        """Move them where ``after:`` says; what is moved already is left alone."""
        if not self._done:
            return
        for path in paths:
            self._root.move(path, str(PurePosixPath(self._done) / below_pattern(self._path, path)))

    def close(self) -> None:
        """Nothing stays open."""
