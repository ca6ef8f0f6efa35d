"""The folder that a connection names, and the rule that nothing leaves it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol

from dragoman.core.connection import Connection
from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.ports import FileDraft

__all__ = ["Root", "Stat", "below_pattern", "has_pattern", "open_root", "safe_path"]

_PATTERN = re.compile(r"[*?\[]")


class Stat(NamedTuple):
    """Size in bytes, seconds since 1970 of the last change (0 if unknown), and what tells one content from another."""

    size: int
    changed: float
    stamp: str


class Root(Protocol):
    """A folder, local or not; every path is relative to it, with ``/`` between names."""

    name: str

    def find(self, pattern: str) -> list[str]:
        """The files that match, in the order of their paths; hidden ones only where the pattern says so."""
        ...

    def stat(self, path: str) -> Stat | None:
        """About one file; None where there is nothing. ``FatalError`` for what is no plain file."""
        ...

    def open(self, path: str) -> BinaryIO:
        """The file's bytes."""
        ...

    def draft(self, path: str, run_id: str) -> FileDraft:
        """A file written aside, in the same folder, under a hidden name that tells the run."""
        ...

    def finish(self, path: str, run_id: str) -> None:
        """Publish a draft that is complete; nothing where an earlier try has done it."""
        ...

    def move(self, path: str, target: str) -> None:
        """Give a file another path; folders are made. Another file of that name is never overwritten."""
        ...

    def check(self, *, create: bool = False) -> str:
        """One line that says what is there; ``create`` makes a missing folder whose parent exists."""
        ...


def open_root(connection: Connection | None) -> Root:
    """The root that the connection names.

    Raises:
        ConfigError: ``files.connection`` where there is none, or it names no folder.
    """
    if connection is None:
        raise ConfigError(
            "files.connection",
            "files need a connection, which names the folder that they may not leave",
            next_step="write connection: NAME and export AIRFLOW_CONN_NAME=file:///data/inbox",
        )
    if connection.conn_type == "file":
        from dragoman.connectors.files.local_root import LocalRoot

        if connection.host not in {"", "localhost"}:
            raise ConfigError(
                "files.connection",
                f"connection {connection.conn_id!r} names {connection.host!r} where a machine's name stands, and file: "
                "reaches this machine alone",
                next_step="write a folder of this machine with three slashes, such as file:///data/inbox, or use sftp:",
            )
        if not connection.path.startswith("/"):
            raise ConfigError(
                "files.connection",
                f"connection {connection.conn_id!r} names no absolute folder",
                next_step="write it with three slashes, such as file:///data/inbox",
            )
        return LocalRoot(connection.path)
    from dragoman.connectors.files.remote_root import open_remote

    return open_remote(connection)


def has_pattern(path: str) -> bool:
    """Whether the path is a pattern."""
    return _PATTERN.search(path) is not None


def safe_path(path: str) -> str:
    """The path, if it is relative and stays below the root as written.

    Raises:
        FatalError: ``files.outside``.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path or "\n" in path:
        raise FatalError(
            "files.outside",
            f"the path {path!r} is not a path below the connection's folder",
            next_step="write a relative path without .. and without backslashes",
        )
    return str(PurePosixPath(*parts))


def below_pattern(pattern: str, path: str) -> str:
    """The part of a path from the first name on in which its pattern has a wildcard."""
    parts = PurePosixPath(path).parts
    for at, part in enumerate(PurePosixPath(pattern).parts):
        if has_pattern(part):
            return str(PurePosixPath(*parts[at:]))
    return parts[-1]
