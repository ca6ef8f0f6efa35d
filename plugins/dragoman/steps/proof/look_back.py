"""What one staged record became, computed again by the copy of the integration that its run keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa

from dragoman.core.batch import RID, position_of
from dragoman.core.errors import FatalError
from dragoman.core.flow import DeliverySpec, Flow
from dragoman.ledger.lease import Lease
from dragoman.ledger.rows import BatchRow, Run
from dragoman.steps.chain import Chain, root_of
from dragoman.steps.kinds import observed
from dragoman.steps.pinned import find_pinned
from dragoman.steps.rejects import original_of
from dragoman.steps.staged import StagedBatch, rid_base
from dragoman.steps.work import Work
from dragoman.steps.workplace import Workplace

__all__ = ["Became", "LookBack"]


@dataclass(frozen=True)
class Became:
    """``outputs``: those for the delivery, as JSON texts; ``rejects``: codes with sentences; ``filtered``: reasons."""

    position: str
    original: str
    outputs: list[str] = field(default_factory=list)
    table: pa.Table | None = None
    rejects: list[tuple[str, str]] = field(default_factory=list)
    filtered: list[str] = field(default_factory=list)


class _NoLease:
    """Looking changes nothing."""

    def __getattr__(self, name: str) -> Any:
        raise FatalError("lease.none", f"looking back needs no lease ({name})", next_step="report this")


class LookBack:
    """The stage of one run, as long as it is kept. ``possible`` says whether it is."""

    def __init__(self, place: Workplace, run: Run) -> None:
        self._place = place
        self._run = run
        flow = find_pinned(place, run)
        self.flow: Flow | None = flow
        self._work = Work(flow, place, cast("Lease", _NoLease()), run) if flow is not None else None
        self._chains: dict[str, Chain] = {}

    def delivery(self, node: str) -> DeliverySpec | None:
        """The delivery as this run has it."""
        return self._work.delivery(node) if self._work else None

    def batches(self, node: str) -> list[BatchRow]:
        """The staged batches that the delivery was made of."""
        spec = self.delivery(node)
        if spec is None or self._work is None:
            return []
        return self._place.ledger.batches(self._run.run_id, root_of(self._work, spec.input))

    def became(self, node: str, batch: BatchRow, row: int) -> Became | None:
        """What a record of a staged batch became for the delivery; None where the stage is gone."""
        spec = self.delivery(node)
        if spec is None or self._work is None:
            return None
        try:
            table = self._place.stage.load(batch.path, batch.sha256)
        except FatalError as error:
            if error.code == "stage.missing":
                return None
            raise
        base = rid_base(self._work.node_index(batch.node), batch.seq)
        one = StagedBatch(batch.batch_id, batch.seq, base + row, table.slice(row, 1))
        if node not in self._chains:
            self._chains[node] = Chain(self._work, spec.input, observed(self._work, batch.node))
        made = self._chains[node].apply(one)
        share = made.shares[node]
        return Became(
            position=position_of(table, row),
            original=original_of(table, row),
            outputs=[original_of(share, at) for at in range(share.num_rows)],
            table=share.drop_columns([RID]) if RID in share.column_names else share,
            rejects=[(reject.code, reject.message) for rejects in made.rejects.values() for reject in rejects],
            filtered=[reason for counts in made.counts.values() for reason in _reasons(counts, node)],
        )


def _reasons(counts: Mapping[str, int], node: str) -> list[str]:
    said = [name.partition(".")[2] for name, number in counts.items() if name.startswith("filtered.") and number]
    routed = any(name.startswith("routed.") for name in counts)
    if counts.get("no_route") or (routed and not counts.get(f"routed.{node}") and counts.get("outputs")):
        said.append("no_route")
    return said
