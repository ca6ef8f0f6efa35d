"""The stage: sealed, hashed, immutable files of one run.

Layout: ``<stage>/<integration>/<run_id>/<node>/00000.<hash>.arrow``, rejects beside them as
``rejects-<name>.<hash>.arrow``, the pinned copy of the integration as ``pinned-001.<hash>.arrow`` in the run's folder.
Receipts, which outlive their runs' batches, are in ``<stage>/<integration>/receipts/<node>`` (``receipt_folder.py``).
Key sets, which outlive their run, are ``<stage>/<integration>/keys/<node>/<run_id>/00000.<hash>.arrow``.
The first 16 digits of the content's sha256 stand in the name: a process that has lost its lease can add a file, never
change one that the ledger knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

import pyarrow as pa

from dragoman.core.batch import Reject
from dragoman.core.errors import FatalError
from dragoman.core.failpoints import failpoint
from dragoman.stage.envelope import open_table, pack_table
from dragoman.stage.files import StageFiles, files_at
from dragoman.stage.payload import rejects_of, table_of_rejects
from dragoman.stage.receipt_folder import RECEIPTS, ReceiptFolder

__all__ = ["KeySets", "RunStage", "Sealed", "Stage"]

_PIN = "pinned-"
_REJECTS = "rejects-"
_KEYS = "keys"
_PINNED = pa.schema([("name", pa.string()), ("content", pa.large_binary())])


@dataclass(frozen=True)
class Sealed:
    """A sealed file: its path within the stage, the sha256 of its bytes (hex), its rows, its size in bytes."""

    path: str
    sha256: str
    rows: int
    size: int


class Stage:
    """All stage files, under a folder or a URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._files = files_at(url)

    def keys(self, integration: str, node: str) -> KeySets:
        """The key sets of a source's node, to find what is deleted."""
        return KeySets(self._files, f"{_name(integration)}/{_KEYS}/{_name(node)}")

    def run(self, integration: str, run_id: str) -> RunStage:
        """The part of one run."""
        return RunStage(self._files, f"{_name(integration)}/{_name(run_id)}")

    def integrations(self) -> list[str]:
        """Every integration that has a folder here."""
        return [unquote(name) for name in self._files.names("")]

    def runs(self, integration: str) -> list[str]:
        """Every run of an integration that has a folder here."""
        return [unquote(name) for name in self._files.names(_name(integration)) if name not in {RECEIPTS, _KEYS}]

    def receipts(self, integration: str, node: str) -> ReceiptFolder:
        """The receipts of one delivery, of all its runs."""
        return ReceiptFolder(self._files, f"{_name(integration)}/{RECEIPTS}/{_name(node)}")

    def nodes_with_receipts(self, integration: str) -> list[str]:
        """The deliveries of an integration that have receipts here."""
        return [unquote(name) for name in self._files.names(f"{_name(integration)}/{RECEIPTS}")]

    def load(self, path: str, sha256: str) -> pa.Table:
        """A sealed table; ``FatalError`` ``stage.changed`` unless its bytes are those that were sealed."""
        return _load(self._files, path, sha256)

    def load_rejects(self, path: str, sha256: str) -> list[Reject]:
        """The rejects of a file that ``write_rejects`` sealed, in their order."""
        return rejects_of(_load(self._files, path, sha256))


class KeySets:
    """The key sets of one node, a folder for each run that found another one than the run before."""

    def __init__(self, files: StageFiles, folder: str) -> None:
        self._files = files
        self._folder = folder

    def write(self, run_id: str, number: int, table: pa.Table) -> Sealed:
        """Write a piece of a run's key set, durable when this returns."""
        return _seal(self._files, f"{self._folder}/{_name(run_id)}/{number:05d}", table, {})

    def load(self, path: str, sha256: str) -> pa.Table:
        """See ``Stage.load``."""
        return _load(self._files, path, sha256)

    def drop(self, run_id: str) -> None:
        """Remove what a run wrote."""
        self._files.remove(f"{self._folder}/{_name(run_id)}")

    def runs(self) -> list[str]:
        """The runs that wrote one, oldest first."""
        return [unquote(name) for name in self._files.names(self._folder)]


class RunStage:
    """The stage of one run; its methods may be called from several threads."""

    def __init__(self, files: StageFiles, folder: str) -> None:
        self._files = files
        self._folder = folder

    def seal(self, node: str, seq: int, table: pa.Table, *, extra: Mapping[str, str] | None = None) -> Sealed:
        """Write one batch. It is durable, hashed and immutable when this returns; the ledger records it next.

        ``extra`` is added to the schema's metadata. A full disk raises ``RetriableError`` ``stage.disk_full``, and
        nothing half-written stays.
        """
        sealed = self._write(f"{_name(node)}/{seq:05d}", table, extra or {}, "extract.batch.written")
        failpoint("extract.batch.renamed")
        return sealed

    def load(self, path: str, sha256: str) -> pa.Table:
        """See ``Stage.load``."""
        return _load(self._files, path, sha256)

    def drop(self, node: str | None = None) -> None:
        """Remove what a node staged, or all of the run."""
        self._files.remove(f"{self._folder}/{_name(node)}" if node is not None else self._folder)

    def staged(self) -> tuple[list[str], list[str]]:
        """The paths of its batches, and those of its rejects' payloads."""
        batches: list[str] = []
        rejects: list[str] = []
        for node in self._files.names(self._folder):
            if not node.startswith(_PIN):
                for name in self._files.names(f"{self._folder}/{node}"):
                    (rejects if name.startswith(_REJECTS) else batches).append(f"{self._folder}/{node}/{name}")
        return batches, rejects

    def drop_files(self, paths: Sequence[str]) -> None:
        """Remove some of its files."""
        for path in paths:
            self._files.remove_file(path)

    def write_rejects(self, node: str, name: str, rejects: Sequence[Reject]) -> Sealed:
        """Seal rejects with their payloads; a row's index in the file is its index in ``rejects``."""
        return self._write(f"{_name(node)}/{_REJECTS}{_name(name)}", table_of_rejects(rejects), {})

    def write_outcomes(self, node: str, name: str, outcomes: pa.Table) -> Sealed:
        """Seal what became of a batch's items; the ledger records it next."""
        return self._write(f"{_name(node)}/outcomes-{_name(name)}", outcomes, {})

    def load_rejects(self, path: str, sha256: str) -> list[Reject]:
        """See ``Stage.load_rejects``."""
        return rejects_of(_load(self._files, path, sha256))

    def pin(self, files: Mapping[str, bytes]) -> Sealed:
        """Keep the integration and what it names with the run; a later copy takes the place of an earlier one."""
        table = pa.Table.from_pydict({"name": list(files), "content": list(files.values())}, schema=_PINNED)
        return self._write(f"{_PIN}{len(self._pins()) + 1:03d}", table, {})

    def pinned(self) -> dict[str, bytes]:
        """The copy that was pinned last; empty where the stage holds none."""
        pins = self._pins()
        if not pins:
            return {}
        content = self._files.read(f"{self._folder}/{pins[-1]}")
        sha256 = hashlib.sha256(content).hexdigest()
        if pins[-1].split(".")[1] != sha256[:16]:
            raise _changed(f"{self._folder}/{pins[-1]}", sha256)
        table = open_table(content, pins[-1])
        return dict(zip(table["name"].to_pylist(), table["content"].to_pylist(), strict=True))

    def _pins(self) -> list[str]:
        return [name for name in self._files.names(self._folder) if name.startswith(_PIN)]

    def _write(self, stem: str, table: pa.Table, extra: Mapping[str, str], before_name: str = "") -> Sealed:
        return _seal(self._files, f"{self._folder}/{stem}", table, extra, before_name)


def _seal(files: StageFiles, stem: str, table: pa.Table, extra: Mapping[str, str], before_name: str = "") -> Sealed:
    content = pack_table(table, extra)
    sha256 = hashlib.sha256(content).hexdigest()
    path = f"{stem}.{sha256[:16]}.arrow"
    files.write(path, memoryview(content), lambda: failpoint(before_name) if before_name else None)
    return Sealed(path=path, sha256=sha256, rows=table.num_rows, size=content.size)


def _load(files: StageFiles, path: str, sha256: str) -> pa.Table:
    content = files.read(path)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise _changed(path, found, sha256)
    return open_table(content, path)


def _changed(path: str, found: str, expected: str = "that of its name") -> FatalError:
    return FatalError(
        "stage.changed",
        f"the stage file {path} is not the one that was sealed: its sha256 is {found}, expected {expected}",
        next_step="restore it from a backup, or give the run up: dragoman abandon RUN",
    )


def _name(text: str) -> str:
    """A name as one step of a path; ``>orders`` becomes ``%3Eorders``."""
    quoted = quote(text, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")
