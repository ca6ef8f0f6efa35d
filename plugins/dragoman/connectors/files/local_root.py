"""A local folder. What a symbolic link leads out of it is refused, file by file."""

from __future__ import annotations

import contextlib
import filecmp
import glob
import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from dragoman.connectors.files.root import Stat, has_pattern, safe_path
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.failpoints import failpoint

__all__ = ["LocalDraft", "LocalRoot"]

_LONGEST_NAME = 255


class LocalRoot:
    """The folder ``name``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._root = Path(os.path.realpath(name))

    def check(self, *, create: bool = False) -> str:
        """``FatalError`` ``files.no_root`` where the folder is missing."""
        if create and not self._root.exists() and self._root.parent.is_dir():
            self._root.mkdir(exist_ok=True)
        if not self._root.is_dir():
            raise FatalError(
                "files.no_root",
                f"the connection's folder {self.name} does not exist",
                next_step="make the folder, or correct the connection",
            )
        return f"the folder {self.name} holds {sum(1 for _ in self._root.iterdir())} entries"

    def find(self, pattern: str) -> list[str]:
        """Sorted; folders are left out."""
        self.check()
        if not has_pattern(pattern):
            return [safe_path(pattern)] if (self._root / safe_path(pattern)).exists() else []
        found = glob.glob(safe_path(pattern), root_dir=self._root, recursive=True)  # noqa: PTH207 - leaves hidden ones out
        return sorted(path for path in found if not (self._root / path).is_dir())

    def stat(self, path: str) -> Stat | None:
        """``FatalError``: ``files.outside``, ``files.no_file``, ``files.unreadable``."""
        place = self._inside(path)
        try:
            about = place.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(path, error) from error
        if not stat.S_ISREG(about.st_mode):
            kind = "a folder" if stat.S_ISDIR(about.st_mode) else "no plain file (a pipe, a socket or a device)"
            raise FatalError(
                "files.no_file", f"{path} is {kind}", next_step="write the path of a file, or a pattern such as *.csv"
            )
        return Stat(about.st_size, about.st_mtime, f"{about.st_mtime_ns}-{about.st_ino}")

    def open(self, path: str) -> BinaryIO:
        """``FatalError``: ``files.outside``, ``files.no_file``, ``files.unreadable``."""
        if self.stat(path) is None:
            raise RetriableError("files.vanished", f"{path} was there and is gone")
        try:
            return cast("BinaryIO", self._inside(path).open("rb", buffering=0))
        except OSError as error:
            raise self._unreadable(path, error) from error

    def draft(self, path: str, run_id: str) -> LocalDraft:
        """Folders are made; what an earlier try of the run left aside is overwritten."""
        place = self._inside(path, parent=True)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            return LocalDraft(place, _aside(place, run_id))
        except OSError as error:
            raise _unwritable(path, error) from error

    def finish(self, path: str, run_id: str) -> None:
        """The draft's name is the whole state: it is gone once the file has its own."""
        place = self._inside(path, parent=True)
        _rename(_aside(place, run_id), place)

    def move(self, path: str, target: str) -> None:
        """A target that holds something else keeps it: the file gets a part of its hash into its name."""
        place, goal = self._inside(path), self._inside(target, parent=True)
        if not place.exists():
            return
        goal.parent.mkdir(parents=True, exist_ok=True)
        if goal.exists() and not filecmp.cmp(place, goal, shallow=False):
            with place.open("rb") as stream:
                mark = hashlib.file_digest(stream, "sha256").hexdigest()[:12]
            goal = goal.with_name(f"{goal.stem}-{mark}{goal.suffix}")
        place.replace(goal)

    def _inside(self, path: str, *, parent: bool = False) -> Path:
        """The place of a path, links resolved; with ``parent`` only those of its folder (it will be replaced)."""
        place = self._root / safe_path(path)
        real = Path(os.path.realpath(place.parent)) / place.name if parent else Path(os.path.realpath(place))
        if not real.is_relative_to(self._root):
            raise FatalError(
                "files.outside",
                f"{path} leads out of the connection's folder {self.name} (a symbolic link)",
                next_step="remove the link, or let the connection name a folder that holds both",
            )
        return real

    def _unreadable(self, path: str, error: OSError) -> FatalError:
        return FatalError(
            "files.unreadable",
            f"{path} below {self.name} cannot be read: {error.strerror}",
            next_step="give the user that runs Dragoman the right to read it",
        )


class LocalDraft:
    """A file being written aside; ``stream`` is closed by ``publish`` and ``discard``."""

    def __init__(self, place: Path, aside: Path) -> None:
        self._place = place
        self._aside = aside
        self.stream: BinaryIO = aside.open("wb")

    def complete(self) -> None:
        """All is written: flush it to the disk and close it."""
        if self.stream.closed:
            return
        try:
            self.stream.flush()
            os.fsync(self.stream.fileno())
            self.stream.close()
        except OSError as error:
            raise _unwritable(self._place.name, error) from error

    def publish(self) -> None:
        """Give it its name, for good."""
        self.complete()
        _rename(self._aside, self._place)

    def discard(self) -> None:
        """Remove what was written aside."""
        with contextlib.suppress(OSError):  # on a full disk closing fails too
            self.stream.close()
        self._aside.unlink(missing_ok=True)


def _aside(place: Path, run_id: str) -> Path:
    name = f".{place.name}.{run_id}.part"
    if len(name.encode()) > _LONGEST_NAME:
        name = f".{hashlib.sha256(place.name.encode()).hexdigest()[:32]}.{run_id}.part"
    return place.with_name(name)


def _rename(aside: Path, place: Path) -> None:
    try:
        aside.replace(place)
    except FileNotFoundError:
        return  # an earlier try gave it its name
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    failpoint("files.published")


def _unwritable(path: str, error: OSError) -> RetriableError:
    return RetriableError(
        "files.unwritable",
        f"{path} cannot be written: {error.strerror}",
        next_step="make room, or give the user that runs Dragoman the right to write there",
    )
