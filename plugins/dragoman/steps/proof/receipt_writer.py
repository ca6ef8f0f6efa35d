"""Receipts on their way into the stage: one sidecar per delivered batch, written in a thread beside the delivery.

A sidecar is only a file until the ledger names it, which it does in the transaction that says that the delivery is
done. So no receipt ever claims what was not delivered; and a try that finds its delivery committed makes the sidecars
again from the sealed batches and the rejects that are in the ledger.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dragoman.core.batch import FIRST, ORIGIN, POSITION, RECORD, RID
from dragoman.core.flow import DeliverySpec
from dragoman.core.siphash import siphash
from dragoman.ledger.rows import Sidecar
from dragoman.stage.sidecar import content_sha256, receipts_table
from dragoman.steps.proof.record_identity import RecordIdentity, hashing_key, identity_of, records_of
from dragoman.steps.staged import StagedBatch
from dragoman.steps.work import Work

__all__ = ["ReceiptWriter", "header_of"]


@dataclass(frozen=True)
class _Delivered:
    """What of a batch arrived: only the columns that a receipt needs."""

    batch: StagedBatch
    outputs: pa.Table
    but: tuple[int, ...]
    remote: Sequence[str] | None
    erased: Sequence[bool] | None


def header_of(integration: str, run_id: str, node: str, sidecar: Sidecar) -> dict[str, Any]:
    """What a sidecar says beside its rows; part of what is hashed."""
    return {
        "integration": integration,
        "run": run_id,
        "node": node,
        "batch": sidecar.batch,
        "rid_base": sidecar.rid_base,
        "keyed_by": sidecar.keyed_by,
        "origin": sidecar.origin,
        "first": sidecar.first,
    }


class ReceiptWriter:
    """The receipts of one delivery of one run; ``finish`` gives the sidecars, ``close`` is called once, always."""

    def __init__(self, work: Work, spec: DeliverySpec) -> None:
        self._work = work
        self._spec = spec
        self._identity: RecordIdentity = identity_of(work.flow, spec)
        self._folder = work.place.stage.receipts(work.flow.integration, spec.node)
        self._key = b""
        self._written: list[Sidecar] = []
        self._error: BaseException | None = None
        self._queue: queue.Queue[_Delivered | None] = queue.Queue(maxsize=2)
        self._thread: threading.Thread | None = None

    def add(
        self,
        batch: StagedBatch,
        outputs: pa.Table,
        *,
        but: Sequence[int] = (),
        remote: Sequence[str] | None = None,
        erased: Sequence[bool] | None = None,
    ) -> None:
        """Take a batch's outputs in.

        Args:
            batch: the sealed batch that they were made of.
            outputs: all of them, with their hidden columns.
            but: rows that did not arrive, or of which nobody knows.
            remote: for each output the peer's own id, or empty.
            erased: for each output whether it was removed, not written.
        """
        if outputs.num_rows == len(but):
            return
        if self._thread is None:
            self._begin()
        needed = set() if self._identity.of_source else set(self._identity.columns)
        lean = outputs.select([name for name in outputs.column_names if name in needed or name == RID])
        kept = {POSITION, RECORD, *(self._identity.columns if self._identity.of_source else ())}
        table = batch.table.select([name for name in batch.table.column_names if name in kept])
        if not table.num_columns:
            table = _only_rows(batch.table)
        source = StagedBatch(batch.batch_id, batch.seq, batch.rid_base, table)
        self._queue.put(_Delivered(source, _only_rows(outputs, lean), tuple(but), remote, erased))
        self._raise()

    def finish(self) -> list[Sidecar]:
        """All sidecars in the order of their batches, each durable."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._raise()
        self._folder.settle([one.path for one in self._written])
        return sorted(self._written, key=lambda one: one.batch)

    def close(self) -> None:
        """End the thread, if it has not ended."""
        if self._thread is not None:
            self._error = self._error or RuntimeError("closed")
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _begin(self) -> None:
        work = self._work
        self._key = hashing_key(work.place.ledger.receipt_secret(), work.flow.integration, self._spec.node)
        if work.run.tries > 1:
            mine = [path for path in self._folder.names() if self._folder.run_of(path) == work.run_id]
            known = {link.path for link in work.place.ledger.receipt_links(work.flow.integration, 0, work.run_id)}
            self._folder.remove(path for path in mine if path not in known)
        self._thread = threading.Thread(target=self._work_off, name="receipts", daemon=True)
        self._thread.start()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work_off(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._written.append(self._write(item))
                except BaseException as error:  # noqa: BLE001 - carried over to the delivery, which raises it
                    self._error = error

    def _write(self, item: _Delivered) -> Sidecar:
        work, node, batch = self._work, self._spec.node, item.batch
        outputs, rids = item.outputs, _rids(item)
        keys = self._identity.keys(batch, outputs, rids)
        columns: dict[str, Any] = {"key": siphash(self._key, keys.texts, keys.prefix.encode())}
        columns |= _place(batch, rids)
        records = records_of(batch, rids)
        columns["record"] = records if records is None else _foreign(records, work.run_id)
        columns["remote"] = None if item.remote is None else pa.array(item.remote, pa.string())
        columns["outcome"] = None if item.erased is None else np.asarray(item.erased, np.uint8)
        if item.but:
            left = np.ones(len(rids), np.bool_)
            left[list(item.but)] = False
            mask = pa.array(left)
            columns = {name: pa.array(value).filter(mask) for name, value in columns.items() if value is not None}
        table = receipts_table(columns)
        origin, first = _origin(batch)
        sidecar = Sidecar(
            batch=batch.seq,
            rid_base=batch.rid_base,
            keyed_by=keys.keyed_by,
            origin=origin,
            first=first,
            path="",
            file_sha256="",
            sha256="",
            rows=table.num_rows,
        )
        header = header_of(work.flow.integration, work.run_id, node, sidecar)
        written = self._folder.write_sidecar(work.run_id, batch.seq, table, header)
        said = {"path": written.path, "file_sha256": written.sha256, "sha256": content_sha256(header, table)}
        return Sidecar(**{**vars(sidecar), **said})


def _only_rows(table: pa.Table, columns: pa.Table | None = None) -> pa.Table:
    """The columns; where there are none, as many empty rows, so that the number of rows is known."""
    if columns is not None and columns.num_columns:
        return columns
    bare = pa.table({"": pa.nulls(table.num_rows)})
    return bare.replace_schema_metadata(table.schema.metadata)


def _rids(item: _Delivered) -> npt.NDArray[np.int64]:
    """The ids of the records that the outputs come from; of outputs that carry none, ids of their own."""
    rows = np.arange(item.outputs.num_rows, dtype=np.int64) + item.batch.rid_base
    if RID not in item.outputs.column_names:
        return rows
    column = item.outputs.column(RID).combine_chunks()
    if not pa.types.is_integer(column.type):
        return rows
    if not column.null_count:
        return np.asarray(column.to_numpy(), np.int64)
    return np.where(column.is_valid().to_numpy(zero_copy_only=False), column.fill_null(0).to_numpy(), rows)


def _place(batch: StagedBatch, rids: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Which records these are, and where they stood, if the batch knows more than their order."""
    rows = rids - batch.rid_base
    if len(rows) and (rows.min() < 0 or rows.max() >= batch.table.num_rows):
        return {"rid": rids}
    if POSITION not in batch.table.column_names:
        return {"row": rows}
    taken = batch.table.column(POSITION).take(pa.array(rows)).combine_chunks()
    if pa.types.is_integer(taken.type):
        return {"row": rows, "position": taken}
    return {"row": rows, "place": taken.cast(pa.string())}


def _origin(batch: StagedBatch) -> tuple[str, int]:
    """Where the first record stood; a first of -1 where it cannot be counted from."""
    metadata = batch.table.schema.metadata or {}
    if ORIGIN not in metadata:
        return "", -1
    return metadata[ORIGIN].decode(), int(metadata.get(FIRST, b"1"))


def _foreign(records: pa.Array, run_id: str) -> pa.Array:
    """Only the ids that another run gave."""
    return pa.array([None if one.startswith(f"{run_id}:") else one for one in records.to_pylist()], pa.string())
