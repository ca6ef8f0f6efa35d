"""Prove: whether, when and as what a record was delivered, and by which receipt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from dragoman.core.errors import ConfigError, FatalError
from dragoman.ledger.rows import Run
from dragoman.steps.proof.check_receipts import CheckedReceipts
from dragoman.steps.proof.key_meant import key_meant, parse_key
from dragoman.steps.proof.look_back import LookBack
from dragoman.steps.proof.receipts import Receipt, find_receipts
from dragoman.steps.proof.record_identity import identity_of
from dragoman.steps.proof.whereabouts import rejected_as, staged_as
from dragoman.steps.rejects import original_of
from dragoman.steps.staged import StagedBatch, where_is
from dragoman.steps.workplace import Workplace

__all__ = ["Proof", "prove"]

_SHOWN_WHOLE = 20


@dataclass
class Proof:
    """``deliveries`` newest first; ``otherwise`` says what became of a record that has none.

    ``outcome``: ``delivered``, ``erased``, ``rejected``, ``in_doubt``, ``filtered``, ``not_delivered`` (its run has not
    come so far) or ``never_seen``.
    """

    integration: str
    key: dict[str, str | None]
    outcome: str = "never_seen"
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    otherwise: dict[str, Any] | None = None
    keyed_by: list[str] = field(default_factory=list)

    @property
    def delivered(self) -> bool:
        """Whether there is a receipt."""
        return bool(self.deliveries)


def prove(place: Workplace, integration: str, key: str, delivery: str = "") -> Proof:
    """Look for a record by its key.

    Args:
        place: the ledger and the stage.
        integration: its id.
        key: ``column=value,…``, or a JSON object.
        delivery: only this delivery's receipts.

    Raises:
        ConfigError: ``prove.bad_key``, ``prove.other_key``, ``prove.no_delivery``.
    """
    pairs = parse_key(key)
    proof = Proof(integration, pairs)
    found: list[Receipt] = []
    known = place.ledger.receipt_keys(integration, delivery)
    meant = False
    for node, keyed_by in known:
        columns = msgspec.json.decode(keyed_by, type=list[tuple[str, str]])
        proof.keyed_by.append(f"{node}: {', '.join(name for name, _kind in columns)}")
        text = key_meant(pairs, columns)
        if text:
            meant = True
            found += [one for one in find_receipts(place, integration, node, text) if one.link.keyed_by == keyed_by]
    if known and not meant and "_rid" not in pairs:
        raise ConfigError(
            "prove.other_key",
            f"the receipts of {integration} have other keys than {', '.join(pairs)}: {'; '.join(proof.keyed_by)}",
            next_step="write these columns",
        )
    if delivery and not known:
        _must_know(place, integration, delivery)
    found.sort(key=lambda one: (one.link.number, one.rid), reverse=True)
    teller = _Teller(place, integration)
    proof.deliveries = [teller.told(one, whole=at < _SHOWN_WHOLE) for at, one in enumerate(found)]
    if proof.deliveries:
        proof.outcome = str(proof.deliveries[0]["outcome"])
        return proof
    proof.otherwise = rejected_as(place, integration, delivery, pairs) or staged_as(place, integration, delivery, pairs)
    if proof.otherwise is not None:
        proof.outcome = str(proof.otherwise["outcome"])
    return proof


def _must_know(place: Workplace, integration: str, delivery: str) -> None:
    for run in place.ledger.runs(integration, limit=1):
        back = LookBack(place, run)
        if back.flow is not None and back.delivery(delivery) is None:
            names = ", ".join(one.node for one in back.flow.deliveries)
            raise ConfigError(
                "prove.no_delivery",
                f"{integration} has no delivery {delivery!r}, it has {names}",
                next_step="dragoman explain " + integration,
            )


class _Teller:
    """Says all that is known of receipts."""

    def __init__(self, place: Workplace, integration: str) -> None:
        self._place = place
        self._checked = CheckedReceipts(place, integration)
        self._runs: dict[str, Run | None] = {}
        self._backs: dict[str, LookBack] = {}

    def told(self, receipt: Receipt, *, whole: bool) -> dict[str, Any]:
        """One delivery; ``whole``: with its output, and whether the receipt is as it was written."""
        link = receipt.link
        run = self._run(link.run_id)
        facts: dict[str, Any] = {
            "outcome": receipt.outcome,
            "when": link.noted_at.isoformat(timespec="milliseconds"),
            "run_id": link.run_id,
            "run_state": run.state if run else None,
            "delivery": link.node,
            "batch": link.batch,
            "record": receipt.record,
            "position": receipt.position or None,
            "version": run.digest if run else None,
            "remote_id": receipt.remote_id or None,
            "receipt": {
                "path": link.path,
                "sha256": link.sha256,
                "file_sha256": link.file_sha256,
                "number": link.number,
                "chain": link.chain,
            },
        }
        if whole:
            faults = self._checked.faults(link)
            facts["receipt"]["intact"] = not faults
            facts["receipt"]["faults"] = [fault.what for fault in faults]
            facts |= self._output(receipt, run)
        return facts

    def _run(self, run_id: str) -> Run | None:
        if run_id not in self._runs:
            self._runs |= {run_id: self._place.ledger.runs_named([run_id]).get(run_id)}
        return self._runs[run_id]

    def _output(self, receipt: Receipt, run: Run | None) -> dict[str, Any]:
        """What was delivered, computed again; None where the stage is gone."""
        nothing = {"output": None}
        if run is None:
            return nothing
        if run.run_id not in self._backs:
            self._backs[run.run_id] = LookBack(self._place, run)
        back = self._backs[run.run_id]
        batch = next((one for one in back.batches(receipt.node) if one.seq == receipt.batch), None)
        at = receipt.rid - receipt.link.rid_base
        if batch is None or not 0 <= at < batch.rows or back.flow is None:
            return nothing
        try:
            became = back.became(receipt.node, batch, where_is(receipt.rid)[2])
        except FatalError as error:
            return {"output": None, "output_fault": str(error)}
        if became is None or became.table is None:
            return nothing
        mine = self._with_key(receipt, back, became.table, batch.batch_id)
        return {"position": became.position, "output": mine}

    def _with_key(self, receipt: Receipt, back: LookBack, outputs: pa.Table, batch_id: str) -> Any:
        """Of several outputs of one record the one with this key."""
        spec = back.delivery(receipt.node)
        rows = list(range(outputs.num_rows))
        identity = identity_of(back.flow, spec) if back.flow is not None and spec is not None else None
        if identity is not None and identity.columns and not identity.of_source:
            bare = StagedBatch(batch_id, receipt.batch, receipt.link.rid_base, outputs)
            keys = identity.keys(bare, outputs, np.full(outputs.num_rows, receipt.rid))
            rows = [row for row in rows if keys.prefix + keys.texts[row].as_py() == receipt.key]
        texts = [msgspec.json.decode(original_of(outputs, row)) for row in rows]
        return texts[0] if len(texts) == 1 else texts or None
