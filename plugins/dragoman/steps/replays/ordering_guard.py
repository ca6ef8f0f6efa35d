"""The guard of a replay: a record does not go over a newer version of its key that has been delivered since.

Which record is newer the ids say that records got when they were first read; a replay keeps them, and receipts have
them. Where a delivery has no key there are no versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dragoman.core.batch import RID, Refused
from dragoman.core.flow import DeliverySpec
from dragoman.ledger.rows import Run
from dragoman.steps.chain import Made
from dragoman.steps.proof.receipts import Receipt, find_receipts_of
from dragoman.steps.proof.record_identity import records_of
from dragoman.steps.proof.record_key import key_texts
from dragoman.steps.workplace import Workplace

__all__ = ["OrderingGuard", "filled", "spread", "without"]


class _Age(NamedTuple):
    """Sorts by when a record was first read: its run, and its place within it (-1 where it could not be read)."""

    opened: datetime
    run_id: str
    rid: int


class OrderingGuard:
    """Bars outputs of a replay; of another run, without a key, or with ``force`` none."""

    def __init__(self, place: Workplace, run: Run, integration: str, spec: DeliverySpec) -> None:
        self._place = place
        self._run = run
        self._integration = integration
        self._spec = spec
        self._needed = run.replay and bool(spec.key) and not run.asked.get("force")
        self._opened: dict[str, datetime] = {}

    def barred(self, made: Made, outputs: pa.Table) -> list[Refused]:
        """The outputs of which a newer version has arrived."""
        if not self._needed or not outputs.num_rows:
            return []
        keys = key_texts(outputs, self._spec.key).to_pylist()
        receipts = find_receipts_of(self._place, self._integration, self._spec.node, list(dict.fromkeys(keys)))
        records = records_of(made.batch, np.asarray(outputs.column(RID).to_numpy(), np.int64))
        if records is None:
            return []
        found = []
        for row, (key, record) in enumerate(zip(keys, records.to_pylist(), strict=True)):
            newer = self._newer(receipts[key], self._age(record))
            if newer is not None:
                message = (
                    f"{key} has been delivered in a newer version, by run {newer.run_id} at "
                    f"{newer.when:%Y-%m-%d %H:%M:%S} UTC; this one would go over it (--force sends it all the same)"
                )
                found.append(Refused(row, "replay.newer_delivered", message, ",".join(self._spec.key)))
        return found

    def _newer(self, receipts: Sequence[Receipt], age: _Age) -> Receipt | None:
        others = (one for one in receipts if one.run_id != self._run.run_id)
        return next((one for one in others if self._age(one.record) > age), None)

    def _age(self, record: str) -> _Age:
        run_id, _, rid = record.partition(":")
        if run_id not in self._opened:
            run = self._place.ledger.runs_named([run_id]).get(run_id)
            self._opened[run_id] = run.opened_at if run else _said(run_id)
        return _Age(self._opened[run_id], run_id, int(rid) if rid.isdigit() else -1)


def without(outputs: pa.Table, barred: Sequence[Refused]) -> pa.Table:
    """The outputs that are left."""
    if not barred:
        return outputs
    gone = {one.row for one in barred}
    return outputs.take(pa.array([row for row in range(outputs.num_rows) if row not in gone], pa.int64()))


def spread(rows: int, barred: Sequence[Refused]) -> list[int]:
    """For each output that is left, which of ``rows`` it was."""
    gone = {one.row for one in barred}
    return [row for row in range(rows) if row not in gone]


def filled(answers: Sequence[str], rows: int, barred: Sequence[Refused]) -> Sequence[str]:
    """The answers to outputs that are left, with an empty one for each of ``rows`` that was barred."""
    if not barred:
        return answers
    whole = [""] * rows
    for row, answer in zip(spread(rows, barred), answers, strict=True):
        whole[row] = answer
    return whole


def _said(run_id: str) -> datetime:
    """When a run was opened that the ledger has forgotten: its id begins with that."""
    try:
        return datetime.strptime(run_id.partition("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
