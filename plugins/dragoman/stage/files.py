"""Where stage files lie: a local folder with the guarantees of its file system, or any fsspec URL.

``write`` returns only when the content is durable under its name. Paths are relative to the stage's root, with ``/``.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from dragoman.core.errors import ConfigError, FatalError, RetriableError

__all__ = ["LocalFiles", "RemoteFiles", "StageFiles", "files_at"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StageFiles(Protocol):
    """The few things that the stage asks of a file store."""

    def write(self, path: str, content: memoryview, before_name: Callable[[], None]) -> None:
        """Make ``content`` durable as ``path``; ``before_name`` is called when it is written but has no name yet."""
        ...

    def write_early(self, path: str, content: memoryview) -> None:
        """Write ``content`` as ``path``, durable only after ``settle``: until then nobody may rely on it."""
        ...

    def settle(self, paths: Sequence[str]) -> None:
        """Make durable what was written early into one folder; waits for the disk once for all of them."""
        ...

    def read(self, path: str) -> bytes:
        """The whole content; ``FatalError`` ``stage.missing`` where there is none."""
        ...

    def open(self, path: str) -> pa.NativeFile:
        """The content, to read parts of it; ``FatalError`` ``stage.missing`` where there is none."""
        ...

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, sorted; empty where the folder does not exist."""
        ...

    def remove(self, folder: str) -> None:
        """Remove a folder and all it holds; nothing happens where it does not exist."""
        ...

    def remove_file(self, path: str) -> None:
        """Remove one file; nothing happens where it does not exist."""
        ...


def files_at(url: str) -> StageFiles:
    """The file store of a stage's URL: a path, ``file://…``, or what fsspec knows (``s3://bucket/prefix``)."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return LocalFiles(Path(url).expanduser().absolute())
    if scheme == "file":
        return LocalFiles(Path("/" + rest.partition("/")[2]) if not rest.startswith("/") else Path(rest))
    return RemoteFiles(url)


class LocalFiles:
    """A local folder: written aside, fsynced, renamed, folder fsynced; folders 0700, files 0600."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, path: str, content: memoryview, before_name: Callable[[], None]) -> None:
        """See ``StageFiles.write``; a half file is removed when the disk refuses."""
        target = self._root / path
        aside = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            self._folder(target.parent)
            _write(aside, content)
            before_name()
            aside.replace(target)
            _sync(target.parent)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise _refused(target, error) from error

    def write_early(self, path: str, content: memoryview) -> None:
        """See ``StageFiles.write_early``; the disk begins at once."""
        target = self._root / path
        try:
            self._folder(target.parent)
            _write(target, content, durably=False)
        except OSError as error:
            target.unlink(missing_ok=True)
            raise _refused(target, error) from error

    def settle(self, paths: Sequence[str]) -> None:
        """See ``StageFiles.settle``."""
        targets = [self._root / path for path in paths]
        for target in [*targets, *{target.parent for target in targets}]:
            try:
                _sync(target)
            except OSError as error:
                raise _refused(target, error) from error

    def read(self, path: str) -> bytes:
        """See ``StageFiles.read``."""
        target = self._root / path
        try:
            return target.read_bytes()
        except FileNotFoundError as error:
            raise _missing(str(target)) from error
        except OSError as error:
            raise _refused(target, error) from error

    def open(self, path: str) -> pa.NativeFile:
        """See ``StageFiles.open``."""
        target = self._root / path
        try:
            return pa.OSFile(str(target), "rb")
        except FileNotFoundError as error:
            raise _missing(str(target)) from error
        except OSError as error:
            raise _refused(target, error) from error

    def names(self, folder: str) -> list[str]:
        """See ``StageFiles.names``; what is written aside is not named."""
        try:
            return sorted(entry.name for entry in (self._root / folder).iterdir() if not entry.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _refused(self._root / folder, error) from error

    def remove(self, folder: str) -> None:
        """See ``StageFiles.remove``."""
        target = self._root / folder
        try:
            shutil.rmtree(target)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(target, error) from error

    def remove_file(self, path: str) -> None:
        """See ``StageFiles.remove_file``."""
        target = self._root / path
        try:
            target.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(target, error) from error

    def _folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        missing = [folder, *folder.parents]
        for step in reversed(missing[: missing.index(self._root) + 1]):
            if step == self._root:
                step.parent.mkdir(parents=True, exist_ok=True)
            if not step.is_dir():
                step.mkdir(mode=0o700, exist_ok=True)
                _sync(step.parent)


class RemoteFiles:
    """Any fsspec URL. Names hold their content's hash, so a half-written object is never taken for a whole one."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise ConfigError(
                "stage.no_fsspec",
                f"the stage {url} needs fsspec, which is not installed",
                next_step="pip install fsspec",
            ) from error
        self._url = url.rstrip("/")
        try:
            self._fs, root = fsspec.core.url_to_fs(self._url)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                "stage.unknown_url",
                f"the stage {self._url} cannot be opened: {error}",
                next_step="set DRAGOMAN_STAGE to a folder or a URL such as s3://bucket/prefix, and install its extra "
                "(dragoman[s3], dragoman[gcs], dragoman[azure])",
            ) from error
        self._root: str = root.rstrip("/")

    def write(self, path: str, content: memoryview, before_name: Callable[[], None]) -> None:
        """See ``StageFiles.write``; an object store names an object only when its upload has ended."""
        target = f"{self._root}/{path}"
        before_name()
        try:
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(target, bytes(content))
        except OSError as error:
            raise _refused(f"{self._url}/{path}", error) from error

    def write_early(self, path: str, content: memoryview) -> None:
        """See ``StageFiles.write_early``; an object is durable at once."""
        self.write(path, content, lambda: None)

    def settle(self, paths: Sequence[str]) -> None:
        """Nothing is left to do."""

    def read(self, path: str) -> bytes:
        """See ``StageFiles.read``."""
        try:
            content: Any = self._fs.cat_file(f"{self._root}/{path}")
        except FileNotFoundError as error:
            raise _missing(f"{self._url}/{path}") from error
        except OSError as error:
            raise _refused(f"{self._url}/{path}", error) from error
        return bytes(content)

    def open(self, path: str) -> pa.NativeFile:
        """See ``StageFiles.open``; the whole object is fetched."""
        sink = pa.BufferOutputStream()
        sink.write(self.read(path))
        return pa.BufferReader(sink.getvalue())

    def names(self, folder: str) -> list[str]:
        """See ``StageFiles.names``."""
        try:
            found: list[str] = self._fs.ls(f"{self._root}/{folder}", detail=False, refresh=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _refused(f"{self._url}/{folder}", error) from error
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def remove(self, folder: str) -> None:
        """See ``StageFiles.remove``."""
        try:
            self._fs.rm(f"{self._root}/{folder}", recursive=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(f"{self._url}/{folder}", error) from error

    def remove_file(self, path: str) -> None:
        """See ``StageFiles.remove_file``."""
        try:
            self._fs.rm_file(f"{self._root}/{path}")
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(f"{self._url}/{path}", error) from error


def _write(aside: Path, content: memoryview, *, durably: bool = True) -> None:
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        done = 0
        while done < len(content):
            done += os.write(handle, content[done:])
        if durably:
            os.fsync(handle)
        # The next batch takes the pages that this one gives back; touching new ones each time costs more than the disk.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def _sync(target: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    handle = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(target: Path | str, error: OSError) -> RetriableError:
    if error.errno in _FULL:
        return RetriableError(
            "stage.disk_full",
            f"the stage has no room for {target}: {error.strerror}",
            next_step="free space there; the run then goes on from what is staged",
        )
    return RetriableError(
        "stage.io",
        f"the stage cannot use {target}: {error.strerror or error}",
        next_step="look at the disk (dmesg), its mount and its rights; the run then goes on from what is staged",
    )


def _missing(target: str) -> FatalError:
    return FatalError(
        "stage.missing",
        f"the stage file {target} is in the ledger but not in the stage",
        next_step="restore it from a backup, or give the run up: dragoman abandon RUN",
    )
