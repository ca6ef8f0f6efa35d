"""A folder that fsspec reaches: an object store, an SFTP server, the memory of this process (for tests)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar, cast

from dragoman.connectors.files.root import Stat, has_pattern, safe_path
from dragoman.core.connection import Connection
from dragoman.core.errors import DOWN, ConfigError, FatalError, RetriableError
from dragoman.core.failpoints import failpoint

__all__ = ["RemoteDraft", "RemoteRoot", "open_remote"]

_EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "abfs": "azure", "az": "azure", "sftp": "sftp"}
_BUCKETS = {"s3", "gs", "gcs", "abfs", "az"}
_STAMPS = ("ETag", "etag", "md5Hash", "generation", "LastModified", "last_modified", "mtime", "modified", "created")

T = TypeVar("T")


def open_remote(connection: Connection) -> RemoteRoot:
    """The root of an fsspec connection; a bucket's name is the host, the prefix the path.

    Raises:
        ConfigError: ``files.library`` where the library for its type is not installed.
    """
    import fsspec

    kind = connection.conn_type
    settings: dict[str, Any] = {key: value for key, value in connection.extra.items() if key != "path"}
    if kind == "s3":
        endpoint = settings.pop("endpoint_url", "")
        settings |= {"key": connection.login or None, "secret": connection.password or None}
        settings |= {"client_kwargs": {"endpoint_url": endpoint}} if endpoint else {}
    elif kind in {"sftp", "ftp"}:
        settings |= {"host": connection.host, "username": connection.login, "password": connection.password}
        settings |= {"port": connection.port} if connection.port else {}
    try:
        system = fsspec.filesystem(kind, **settings)
    except ImportError as error:
        extra = _EXTRAS.get(kind, kind)
        raise ConfigError(
            "files.library",
            f"connection {connection.conn_id!r} is of type {kind!r}, whose library is not installed: {error}",
            next_step=f"pip install 'dragoman[{extra}]'",
        ) from error
    base = f"{connection.host}/{connection.path.strip('/')}" if kind in _BUCKETS else connection.path
    return RemoteRoot(system, base.rstrip("/"), f"{kind}://{connection.host}{connection.path}")


class RemoteRoot:
    """``base`` is the path of the folder in the file system ``system``."""

    def __init__(self, system: Any, base: str, name: str) -> None:
        self._system = system
        self._base = base
        self.name = name

    def check(self, *, create: bool = False) -> str:
        """Lists the folder once; object stores have no folders to make."""
        del create
        entries = self._try(
            lambda: self._system.ls(self._base, detail=False) if self._system.exists(self._base) else []
        )
        return f"{self.name} holds {len(entries)} entries"

    def find(self, pattern: str) -> list[str]:
        """Sorted; hidden names are left out."""
        if not has_pattern(pattern):
            return [safe_path(pattern)] if self._try(lambda: self._system.exists(self._full(pattern))) else []
        found = self._try(lambda: self._system.glob(self._full(pattern), detail=True))
        files = [name for name, about in found.items() if about.get("type") != "directory"]
        skip = len(self._strip(self._base)) + 1
        paths = [self._strip(name)[skip:] for name in files]
        return sorted(path for path in paths if not any(part.startswith(".") for part in path.split("/")))

    def stat(self, path: str) -> Stat | None:
        """The store's own mark of the content (an ETag, a generation, a time) is the stamp."""
        try:
            self._system.invalidate_cache()
            about = self._try(lambda: self._system.info(self._full(path)))
        except FileNotFoundError:
            return None
        if about.get("type") == "directory":
            raise FatalError("files.no_file", f"{path} is a folder", next_step="write the path of a file")
        changed = about.get("LastModified") or about.get("last_modified") or about.get("mtime") or about.get("created")
        seconds = changed.timestamp() if hasattr(changed, "timestamp") else float(changed or 0)
        stamp = "-".join(str(about[key]) for key in _STAMPS if about.get(key) is not None)
        return Stat(int(about.get("size") or 0), seconds, stamp)

    def open(self, path: str) -> BinaryIO:
        """The file's bytes."""
        try:
            return cast("BinaryIO", self._try(lambda: self._system.open(self._full(path), "rb")))
        except FileNotFoundError as error:
            raise RetriableError("files.vanished", f"{path} was there and is gone") from error

    def draft(self, path: str, run_id: str) -> RemoteDraft:
        """Written under a hidden name in the same folder."""
        full = self._full(path)
        self._try(lambda: self._system.makedirs(full.rpartition("/")[0], exist_ok=True))
        return RemoteDraft(self, full, _aside(full, run_id))

    def finish(self, path: str, run_id: str) -> None:
        """Copy and delete: done again after a kill in between, with the same content."""
        full = self._full(path)
        self.rename(_aside(full, run_id), full)

    def move(self, path: str, target: str) -> None:
        """A target that is there already is not overwritten: the file gets a part of its hash into its name."""
        full, goal = self._full(path), self._full(target)
        if not self._try(lambda: self._system.exists(full)):
            return
        if self._try(lambda: self._system.exists(goal)):
            with self.open(path) as stream:
                mark = hashlib.sha256(stream.read()).hexdigest()[:12]
            stem, dot, suffix = goal.rpartition(".")
            goal = f"{stem}-{mark}{dot}{suffix}" if dot else f"{goal}-{mark}"
        self._try(lambda: self._system.makedirs(goal.rpartition("/")[0], exist_ok=True))
        self._try(lambda: self._system.mv(full, goal))

    def rename(self, aside: str, full: str) -> None:
        """Give a draft its name; nothing where that is done."""
        if not self._try(lambda: self._system.exists(aside)):
            return
        self._try(lambda: self._system.mv(aside, full))
        failpoint("files.published")

    def create(self, full: str) -> BinaryIO:
        """A new file's stream."""
        return cast("BinaryIO", self._try(lambda: self._system.open(full, "wb")))

    def remove(self, full: str) -> None:
        """Remove a file if it is there."""
        if self._try(lambda: self._system.exists(full)):
            self._try(lambda: self._system.rm(full))

    def _full(self, path: str) -> str:
        return f"{self._base}/{safe_path(path)}"

    def _strip(self, name: str) -> str:
        return str(self._system._strip_protocol(name))  # fsspec's own word for this has no other name

    def _try(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except FileNotFoundError:
            raise
        except PermissionError as error:
            raise FatalError(
                "files.unreadable", f"{self.name} refuses: {error}", next_step="check the connection's user and rights"
            ) from error
        except OSError as error:
            raise RetriableError(
                "files.unreachable", f"{self.name} does not answer as it should: {error}", outage=DOWN
            ) from error


class RemoteDraft:
    """A file being written under a hidden name."""

    def __init__(self, root: RemoteRoot, full: str, aside: str) -> None:
        self._root = root
        self._full = full
        self._aside = aside
        self.stream: BinaryIO = root.create(aside)

    def complete(self) -> None:
        """All is written: the store holds it once the stream is closed."""
        self.stream.close()

    def publish(self) -> None:
        """Give it its name."""
        self.complete()
        self._root.rename(self._aside, self._full)

    def discard(self) -> None:
        """Remove what was written aside."""
        self.stream.close()
        self._root.remove(self._aside)


def _aside(full: str, run_id: str) -> str:
    folder, _, name = full.rpartition("/")
    return f"{folder}/.{name}.{run_id}.part"
