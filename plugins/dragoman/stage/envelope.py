"""A stage file's bytes: an Arrow IPC stream of one record batch, zstd, with codec and key named in its header."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from dragoman.core.errors import FatalError

__all__ = ["CODEC", "KEY", "open_table", "pack_table"]

CODEC = b"dragoman:codec"
KEY = b"dragoman:key"
_PLAIN = b"plain"
_ALONE = pa.ipc.IpcReadOptions(use_threads=False)
"""A thread of Arrow's that lets go of Python's bytes while the interpreter ends would abort the process."""
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


def pack_table(table: pa.Table, extra: Mapping[str, str]) -> pa.Buffer:
    """The file's bytes; ``extra`` joins the schema's metadata."""
    metadata = dict(table.schema.metadata or {})
    metadata |= {key.encode(): value.encode() for key, value in extra.items()}
    metadata |= {CODEC: _PLAIN, KEY: b""}
    table = table.replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return sink.getvalue()


def open_table(content: bytes, path: str) -> pa.Table:
    """The table in a file's bytes; ``path`` is for the message only."""
    try:
        table: pa.Table = pa.ipc.open_stream(pa.py_buffer(content), options=_ALONE).read_all()
    except pa.ArrowInvalid as error:
        raise FatalError(
            "stage.changed",
            f"the stage file {path} is not an Arrow stream: {error}",
            next_step="restore it from a backup, or give the run up: dragoman abandon RUN",
        ) from error
    codec = (table.schema.metadata or {}).get(CODEC, b"")
    if codec != _PLAIN:
        raise FatalError(
            "stage.codec",
            f"the stage file {path} has the codec {codec.decode(errors='replace')!r}, this version reads 'plain'",
            next_step="use the version of dragoman that wrote it, or a later one",
        )
    return table
