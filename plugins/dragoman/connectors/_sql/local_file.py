"""The file of an embedded database, from its connection."""

from __future__ import annotations

from pathlib import Path

from dragoman.core.connection import Connection
from dragoman.core.errors import FatalError

__all__ = ["database_file"]


def database_file(connection: Connection, *, must_exist: bool = False) -> Path:
    """The absolute path; ``sqlite:////data/out.db`` and Airflow's host or schema field both name ``/data/out.db``.

    Raises:
        FatalError: ``file.no_folder``, ``file.missing`` or ``file.relative``; a path is never relative, since Airflow's
            tasks and the command line work in different folders.
    """
    text = connection.path or connection.host
    path = Path("/" + text.lstrip("/")) if text else Path()
    example = f"{connection.conn_type}:////data/out.db"
    if not text or path == Path("/"):
        raise FatalError("file.missing", f"connection {connection.conn_id!r} names no file", next_step=f"set {example}")
    if path.parent == Path("/") and not text.startswith("//"):
        raise FatalError(
            "file.relative",
            f"connection {connection.conn_id!r} names {path.name!r} without a folder; with three slashes it lies in "
            "the working folder, which differs from process to process",
            next_step=f"write an absolute path with four slashes, such as {example}",
        )
    if not path.parent.is_dir():
        raise FatalError(
            "file.no_folder",
            f"connection {connection.conn_id!r}: the folder {path.parent} of {path.name} does not exist",
            next_step=f"make the folder, or correct the path; it is absolute, as in {example}",
        )
    if path.is_dir():
        raise FatalError("file.missing", f"connection {connection.conn_id!r}: {path} is a folder", next_step=example)
    if must_exist and not path.is_file():
        raise FatalError(
            "file.missing",
            f"connection {connection.conn_id!r}: there is no file {path}",
            next_step=f"correct the path; it is absolute, as in {example}",
        )
    return path
