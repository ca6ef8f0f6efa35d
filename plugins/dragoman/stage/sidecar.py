"""A file of receipts: an Arrow IPC file, sorted by the keyed hash of the record's key, in portions of 65,536.

| column | holds |
|---|---|
| ``key`` | SipHash-2-4 of the key's text (``steps/proof/record_key.py``), keyed for this installation and delivery |
| ``row`` | the record's row in its batch: with the batch's ``rid_base`` its id within the run |
| ``rid`` | the record's id within the run, instead of ``row``, where it is not of this batch |
| ``outcome`` | 0 delivered, 1 erased; absent where all are delivered |
| ``position``, ``place`` | where the record stood in the source, as a number or in words; absent if it can be counted |
| ``record`` | the id that a replayed record got when it was first read |
| ``remote`` | the id that the peer gave it |
| ``number`` | the sidecar's number in the chain, in a file that several were merged into |

A column of which nothing is known is absent. The first key of each portion stands in the file's metadata, so a look-up
reads one portion. What a sidecar says is hashed apart from its bytes (``content_sha256``), so that it can be checked
after it was merged with others, by any version of Arrow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.errors import FatalError
from dragoman.stage.envelope import CODEC, KEY

__all__ = [
    "DELIVERED",
    "ERASED",
    "content_sha256",
    "find_keys",
    "open_receipts",
    "order_of",
    "pack_receipts",
    "receipts_table",
    "sidecar_of",
]

DELIVERED, ERASED = 0, 1
PORTION = 65_536
COLUMNS: dict[str, pa.DataType] = {
    "key": pa.uint64(),
    "row": pa.uint32(),
    "rid": pa.int64(),
    "outcome": pa.uint8(),
    "position": pa.int64(),
    "place": pa.string(),
    "record": pa.string(),
    "remote": pa.string(),
}
"""What each column is when it is hashed; in a file numbers are as narrow as their values allow."""
NUMBER = "number"
_NARROW = (pa.uint8(), pa.uint16(), pa.uint32(), pa.int64())
_PLAIN = b"plain"
_FIRST_KEYS = b"dragoman:first_keys"
_ALONE = pa.ipc.IpcReadOptions(use_threads=False)
_BARE = pa.ipc.IpcWriteOptions()
_SQUEEZED = pa.ipc.IpcWriteOptions(compression="zstd")


def receipts_table(columns: Mapping[str, Any]) -> pa.Table:
    """The receipts of one batch, sorted; columns of which nothing is known may be given as None."""
    known = {name: pa.array(columns[name], kind) for name, kind in COLUMNS.items() if columns.get(name) is not None}
    order = pa.array(order_of(known["key"].to_numpy()))
    return _without_empty(pa.table({name: _narrow(name, array).take(order) for name, array in known.items()}))


def order_of(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
    """The order that sorts hashed keys; equal ones stay in theirs.

    Sixteen bits at a time, of which three times nearly always suffice.
    """
    order: npt.NDArray[np.intp] = np.argsort((keys >> np.uint64(16)).astype(np.uint16), kind="stable")
    for shift in (32, 48):
        digits = (keys >> np.uint64(shift)).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    found = keys[order]
    return order if bool(np.all(found[1:] >= found[:-1])) else np.argsort(keys, kind="stable")


def _narrow(name: str, array: pa.Array) -> pa.Array:
    if name == "key" or not pa.types.is_integer(array.type):
        return array
    least, most = (bound.as_py() for bound in pc.min_max(array).values())
    if least is None or least < 0:
        return array
    width = next(kind for kind in _NARROW if most < 1 << kind.bit_width - (kind == pa.int64()))
    return array.cast(width)


def _without_empty(table: pa.Table) -> pa.Table:
    empty = {name for name in table.column_names if table.num_rows and table.column(name).null_count == table.num_rows}
    if "outcome" in table.column_names and not pc.max(table.column("outcome")).as_py():
        empty.add("outcome")
    return table.drop_columns(sorted(empty)) if empty else table


def content_sha256(header: Mapping[str, Any], table: pa.Table) -> str:
    """The hash of what a sidecar says: its header as JSON, then its columns in their order.

    Numbers are little-endian and as wide as ``COLUMNS`` says, a null is the smallest one; of a text its length in bytes
    (four bytes, -1 for null), the lengths of a column before its bytes.
    """
    names = [name for name in COLUMNS if name in table.column_names]
    digest = hashlib.sha256(msgspec.json.encode({**header, "columns": names}, order="sorted") + b"\n")
    for name in names:
        column, kind = _whole(table.column(name)), COLUMNS[name]
        if not pa.types.is_string(kind):
            least = pa.scalar(0 if kind != pa.int64() else np.iinfo(np.int64).min, kind)
            numbers = column.cast(kind)
            numbers = numbers.fill_null(least) if numbers.null_count else numbers
            digest.update(np.ascontiguousarray(numbers.to_numpy()).data)
            continue
        sizes = pc.fill_null(pc.binary_length(column), -1).to_numpy().astype("<i4")
        digest.update(sizes.data)
        digest.update("".join(filter(None, column.to_pylist())).encode())
    return digest.hexdigest()


def pack_receipts(table: pa.Table, header: Mapping[str, Any]) -> pa.Buffer:
    """The file's bytes; ``header`` stands in its metadata for people.

    Hashes and rows in their order cannot be squeezed; texts and what several sidecars share can.
    """
    keys = _whole(table.column("key")).to_numpy()
    metadata = {
        CODEC: _PLAIN,
        KEY: b"",
        b"dragoman:receipts": msgspec.json.encode(header),
        _FIRST_KEYS: keys[::PORTION].astype("<u8").tobytes().hex().encode(),
    }
    table = table.replace_schema_metadata(metadata)
    squeezed = NUMBER in table.column_names or any(pa.types.is_string(field.type) for field in table.schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=_SQUEEZED if squeezed else _BARE) as writer:
        writer.write_table(table.combine_chunks(), max_chunksize=PORTION)
    return sink.getvalue()


def open_receipts(content: bytes | pa.NativeFile, path: str) -> pa.ipc.RecordBatchFileReader:
    """The reader of a file of receipts, whole in memory or open; ``path`` is for the message only."""
    source = _native(content) if isinstance(content, bytes) else content
    try:
        reader = pa.ipc.open_file(source, options=_ALONE)
    except (pa.ArrowInvalid, OSError) as error:
        raise broken(path, error) from error
    codec = (reader.schema.metadata or {}).get(CODEC, b"")
    if codec != _PLAIN:
        raise FatalError(
            "stage.codec",
            f"the file of receipts {path} has the codec {codec.decode(errors='replace')!r}, this version reads 'plain'",
            next_step="use the version of dragoman that wrote it, or a later one",
        )
    return reader


def _native(content: bytes) -> pa.Buffer:
    """The same bytes in Arrow's own memory.

    The reader lets go of them in a thread of its own, which must not need the interpreter: it may be ending by then.
    """
    sink = pa.BufferOutputStream()
    sink.write(content)
    return sink.getvalue()


def broken(path: str, error: Exception) -> FatalError:
    """A file of receipts that cannot be read."""
    return FatalError(
        "receipts.unreadable",
        f"the file of receipts {path} cannot be read: {' '.join(str(error).split())}",
        next_step="restore it from a backup; dragoman verify --all says which others are touched",
    )


def find_keys(reader: pa.ipc.RecordBatchFileReader, keys: Sequence[int]) -> pa.Table:
    """The receipts with these hashed keys, in the file's order."""
    raw = (reader.schema.metadata or {}).get(_FIRST_KEYS, b"").decode()
    firsts = np.frombuffer(bytes.fromhex(raw), "<u8")
    wanted = np.array(sorted(set(keys)), np.uint64)
    low = np.maximum(np.searchsorted(firsts, wanted, side="left") - 1, 0)
    high = np.searchsorted(firsts, wanted, side="right")
    portions = sorted({at for one, other in zip(low.tolist(), high.tolist(), strict=True) for at in range(one, other)})
    found = []
    for at in portions:
        portion = reader.get_batch(at)
        held = portion.column("key").to_numpy()
        left = np.searchsorted(held, wanted, side="left")
        right = np.searchsorted(held, wanted, side="right")
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            if other > one:
                found.append(portion.slice(one, other - one))
    return pa.Table.from_batches(found, reader.schema)


def sidecar_of(table: pa.Table, number: int) -> pa.Table:
    """The receipts of one sidecar out of a file that several were merged into."""
    if NUMBER not in table.column_names:
        return table
    return _without_empty(table.filter(pc.equal(table.column(NUMBER), number)).drop_columns([NUMBER]))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
