"""From files to batches of records: joins a source of files with the format of each."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO, cast

import pyarrow as pa

from dragoman.core.batch import POSITION, ReadBatch, ReadEnd
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.flow import FormatSpec
from dragoman.core.ports import FileSource, ReadRequest, SourceFile
from dragoman.formats.catalog import format_of

__all__ = ["decode"]


def decode(source: FileSource, request: ReadRequest, form: FormatSpec | None = None) -> Iterator[ReadBatch | ReadEnd]:
    """The records of all files that the source gives, and last the end with a mark for each file.

    Columns are united by name: a batch has every column that was seen before it, NULL where its file has none of
    that name. A file is hashed while it is read.

    Args:
        source: gives the files.
        request: which records, and how many in a batch.
        form: the format; None goes by each file's ending.

    Raises:
        FatalError: ``read.empty`` for a file without records (unless ``allow_empty``), and what the format raises.
        RetriableError: where a file changes while it is read, or its bytes do not arrive.
    """
    known: dict[str, pa.Field] = {}
    marks: dict[str, str] = {}
    for file in source.files(request):
        info = format_of(file.path, form.type if form else "")
        options = form.options if form else {}
        records = 0
        with _Hashed(file) as stream:
            try:
                for batch in info.load().read(
                    cast("BinaryIO", stream), options, origin=file.path, batch_rows=request.batch_rows
                ):
                    records += batch.read
                    batch.table, batch.stamp = _united(batch.table, known), file.stamp
                    yield batch
                stream.drain()
            except FatalError:
                source.mark(file, "")  # a file that is still being written looks like a broken one
                raise
            except OSError as error:
                raise RetriableError(
                    "read.interrupted", f"{file.path} could not be read to its end: {error.strerror or error}"
                ) from error
        marks[file.path] = source.mark(file, stream.hexdigest())
        if stream.size != file.size:
            raise RetriableError(
                "read.cut", f"{file.path} has {file.size} bytes, of which {stream.size} arrived", next_step="run again"
            )
        if not records and not request.allow_empty:
            raise FatalError(
                "read.empty",
                f"{file.path} holds no record",
                next_step="have it sent again, or write policy: {allow_empty: true} if it may be empty",
            )
    yield ReadEnd(marks=marks, nothing_new=not marks)


def _united(table: pa.Table, known: dict[str, pa.Field]) -> pa.Table:
    """The table with all columns known so far, in the order in which they were first seen."""
    names = [name for name in table.column_names if name != POSITION]
    for name in names:
        known.setdefault(name, table.schema.field(name))
    if list(known) == names:
        return table
    columns = [table.column(name) if name in names else pa.nulls(len(table), known[name].type) for name in known]
    fields = list(known.values())
    if POSITION in table.column_names:
        columns.append(table.column(POSITION))
        fields.append(table.schema.field(POSITION))
    return pa.table(columns, schema=pa.schema(fields))


class _Hashed(io.RawIOBase):
    """A file's bytes, hashed and counted as they pass."""

    def __init__(self, file: SourceFile) -> None:
        self._stream: BinaryIO = file.open()
        self._digest = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; fewer, or none, only at the end."""
        parts = []
        while size != 0 and (part := self._stream.read(size)):
            parts.append(part)
            size = -1 if size < 0 else size - len(part)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._digest.update(data)
        self.size += len(data)
        return data

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def drain(self) -> None:
        """Read what the format left."""
        while self.read(1 << 20):
            pass

    def hexdigest(self) -> str:
        """SHA-256 of what has passed."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close the file too."""
        self._stream.close()
        super().close()
