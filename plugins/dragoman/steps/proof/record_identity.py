"""What tells a delivery's records apart: the columns of its key, the source's id column, or the record's own id."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import RECORD, RID
from dragoman.core.fieldtype import type_of
from dragoman.core.flow import DeliverySpec, Flow
from dragoman.core.siphash import siphash
from dragoman.steps.proof.record_key import key_prefix, key_texts, value_texts
from dragoman.steps.staged import StagedBatch

__all__ = ["RecordIdentity", "RecordKeys", "hashed_keys", "hashing_key", "identity_of", "records_of"]


@dataclass(frozen=True)
class RecordIdentity:
    """``columns``: of the outputs; where ``of_source`` the one column of the staged records; none: ``_rid``."""

    columns: tuple[str, ...]
    of_source: bool = False

    def keys(self, batch: StagedBatch, outputs: pa.Table, rids: npt.NDArray[np.int64]) -> RecordKeys:
        """The keys of a batch's outputs; ``rids`` are the ids of their records."""
        if self.of_source:
            name = self.columns[0]
            if name in batch.table.column_names and _own(batch, rids):
                field = batch.table.schema.field(name)
                column = batch.table.column(name).take(pa.array(rids - batch.rid_base))
                return _of_columns(pa.table([column], schema=pa.schema([field])), self.columns)
        elif self.columns:
            return _of_columns(outputs, self.columns)
        records = records_of(batch, rids)
        keyed_by = _as_json([(RID, "text")])
        if records is not None:
            return RecordKeys(keyed_by, f"{RID}=", records)
        run_id = batch.batch_id.partition("/")[0]
        return RecordKeys(keyed_by, f"{RID}={run_id}:", pc.cast(pa.array(rids), pa.string()))


@dataclass(frozen=True)
class RecordKeys:
    """``keyed_by``: columns and types as JSON, ``[["id","integer"]]``; each key is ``prefix`` and one of ``texts``."""

    keyed_by: str
    prefix: str
    texts: pa.Array


def _of_columns(table: pa.Table, columns: tuple[str, ...]) -> RecordKeys:
    keyed_by = _as_json([(name, str(type_of(table.schema.field(name)))) for name in columns])
    if len(columns) == 1:
        return RecordKeys(keyed_by, key_prefix(columns[0]), value_texts(table, columns[0]))
    return RecordKeys(keyed_by, "", key_texts(table, columns))


def _as_json(pairs: list[tuple[str, str]]) -> str:
    return msgspec.json.encode(pairs).decode()


def records_of(batch: StagedBatch, rids: npt.NDArray[np.int64]) -> pa.Array | None:
    """The ids that replayed records got when they were first read; None where the batch has none."""
    if RECORD not in batch.table.column_names or not _own(batch, rids):
        return None
    taken = batch.table.column(RECORD).take(pa.array(rids - batch.rid_base)).combine_chunks()
    own = pc.binary_join_element_wise(batch.batch_id.partition("/")[0], pc.cast(pa.array(rids), pa.string()), ":")
    return pc.coalesce(pc.cast(taken, pa.string()), own)


def _own(batch: StagedBatch, rids: npt.NDArray[np.int64]) -> bool:
    """Whether these records are rows of the batch."""
    rows = rids - batch.rid_base
    return bool(len(rows) == 0 or (rows.min() >= 0 and rows.max() < batch.table.num_rows))


def identity_of(flow: Flow, spec: DeliverySpec) -> RecordIdentity:
    """How the records of a delivery are told apart."""
    if spec.key:
        return RecordIdentity(spec.key)
    root, _links = flow.chain_to(spec.input)
    stream = next((one for one in flow.streams if one.node == root), None)
    if stream is not None and stream.cursor is not None and stream.cursor.id:
        return RecordIdentity((stream.cursor.id,), of_source=True)
    return RecordIdentity(())


def hashing_key(secret: bytes, integration: str, node: str) -> bytes:
    """The key of the hash for one delivery: the same value in two deliveries has two hashes."""
    return hmac.digest(secret, f"{integration}\0{node}".encode(), "sha256")[:16]


def hashed_keys(secret: bytes, integration: str, node: str, keys: Sequence[str]) -> list[int]:
    """The hashes of keys that are written out, in their order."""
    found: list[int] = siphash(hashing_key(secret, integration, node), pa.array(list(keys), pa.string())).tolist()
    return found
