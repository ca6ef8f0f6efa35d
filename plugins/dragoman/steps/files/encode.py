"""From batches of outputs to files: joins a destination of files with a format.

Files are written aside while the run goes on. ``commit`` writes down which files there will be (``file_note.py``), and
only then gives them their names. A run that was killed in between is finished from that note by whoever comes next:
what still stands aside is renamed, nothing is written twice.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

import pyarrow as pa

from dragoman.core.batch import Refused
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.flow import FormatSpec
from dragoman.core.ports import DeliverRequest, FileDestination, FileDraft
from dragoman.formats.bytestream import packed
from dragoman.formats.catalog import FormatModule, Writer, format_of
from dragoman.steps.files.file_names import FileNames
from dragoman.steps.files.file_note import FileNote, Published, following

__all__ = ["FileDelivery", "encode"]


def encode(
    destination: FileDestination, request: DeliverRequest, options: Mapping[str, Any], form: FormatSpec | None = None
) -> FileDelivery:
    """Begin a run's delivery into files.

    Args:
        destination: takes the files.
        request: the run and its columns; ``mode`` is ``append`` or ``replace``.
        options: ``path`` with placeholders, ``one_file_per``.
        form: the format; None goes by the path's ending.

    Raises:
        ConfigError: ``files.placeholder``, ``format.unknown``.
    """
    return FileDelivery(destination, request, FileNames.of(request, options), form)


class FileDelivery:
    """A ``DeliverySession`` into files."""

    def __init__(
        self, destination: FileDestination, request: DeliverRequest, names: FileNames, form: FormatSpec | None
    ) -> None:
        self._destination = destination
        self._request = request
        self._names = names
        self._module = format_of(names.template, form.type if form else "").load()
        self._options = form.options if form else {}
        self._note = FileNote(destination, request.integration, request.delivery)
        self._before = self._note.read()
        self._file: _File | None = None
        self._done: list[tuple[Published, FileDraft]] = []
        self._decided = False

    def applied(self) -> bool:
        """Whether an earlier try of this run had come to its commit.

        What the last run left undone is done here, whichever it was: it is on record as published.

        Raises:
            FatalError: ``lease.fenced`` where a holder of a later token has published.
        """
        note, request = self._before, self._request
        if note is None:
            return False
        if note.token > request.token:
            raise _fenced(request)
        self._note.finish(note)
        return any(one.run == request.run_id for one in note.runs)

    def write(self, batch_id: str, outputs: pa.Table) -> list[Refused]:
        """Write the rows aside; those that the format cannot hold come back."""
        refused: list[Refused] = []
        for first, part in self._names.parts(outputs):
            file = self._at(self._names.path(batch_id, first))
            refused += [replace(one, row=one.row + first) for one in file.writer.write(part)]
        self._names.passed(outputs.num_rows)
        return refused

    def commit(self, positions: str = "{}") -> None:
        """Give every file its name.

        Raises:
            FatalError: ``lease.fenced`` where another run of this delivery has published meanwhile.
        """
        if self._file is None and not self._done and self._request.mode == "replace":
            self._at(self._names.path("", 0))
        self._close_file()
        if not self._done:
            return
        request = self._request
        if self._note.read() != self._before:
            raise _fenced(request)
        self._decided = True
        files = tuple(done for done, _ in self._done)
        self._note.write(following(self._before, request.run_id, request.token, files, positions))
        for _, waiting in self._done:
            waiting.publish()

    def close(self) -> None:
        """Remove what stands aside, unless the commit has begun: then the next try needs it."""
        if self._file is not None:
            self._file.draft.discard()
            self._file = None
        if not self._decided:
            for _, draft in self._done:
                draft.discard()
        self._done = []

    def _at(self, path: str) -> _File:
        if self._file is not None and self._file.path == path:
            return self._file
        self._close_file()
        self._file = _File(path, self._destination, self._request, self._module, self._options)
        return self._file

    def _close_file(self) -> None:
        if self._file is not None:
            self._done.append((self._file.finish(), self._file.draft))
            self._file = None


def _fenced(request: DeliverRequest) -> FatalError:
    return FatalError(
        "lease.fenced",
        f"another run has written the files of {request.delivery} meanwhile; this one gives up",
        next_step="nothing: the other run goes on",
    )


class _File:
    """One file being written aside."""

    def __init__(
        self,
        path: str,
        destination: FileDestination,
        request: DeliverRequest,
        module: FormatModule,
        options: Mapping[str, Any],
    ) -> None:
        self.path = path
        self.draft = destination.draft(path, request.run_id)
        try:
            self._hashed = _Hashing(self.draft.stream)
            self._zip = _zipped(self._hashed) if packed(options, path) else None
            stream: BinaryIO = self._zip or self._hashed  # type: ignore[assignment]
            continues = False
            old = destination.existing(path) if request.mode == "append" else None
            if old is not None:
                with old:
                    unpacked: BinaryIO = gzip.GzipFile(fileobj=old) if self._zip else old  # type: ignore[assignment]
                    continues = module.carry_over(unpacked, stream, request.schema, options, origin=path)
            self.writer: Writer = module.open_writer(stream, request.schema, options, continues=continues)
        except BaseException:
            self.draft.discard()
            raise

    def finish(self) -> Published:
        """Write the end and flush it to the disk."""
        self.writer.finish()
        if self._zip is not None:
            self._zip.close()
        self.draft.complete()
        return Published(self.path, self._hashed.hexdigest(), self._hashed.size)


def _zipped(stream: _Hashing) -> gzip.GzipFile:
    """Without name and time, so that the same records give the same bytes."""
    return gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=6)


class _Hashing(io.RawIOBase):
    """Passes bytes on, hashed and counted; the stream behind it stays open."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        """Write all of it. Raises ``RetriableError`` ``files.unwritable``, on a full disk for one."""
        self._digest.update(data)
        try:
            self._stream.write(data)
        except OSError as error:
            raise RetriableError(
                "files.unwritable",
                f"a file cannot be written: {error.strerror or error}",
                next_step="make room where the connection's folder is",
            ) from error
        self.size += len(data)
        return len(data)

    def hexdigest(self) -> str:
        """SHA-256 of what has passed."""
        return self._digest.hexdigest()
