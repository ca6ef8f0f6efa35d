"""Deliver: translate each sealed batch and send it, all of a run in one transaction of the destination.

The order of the commits is the guarantee. Counts and rejects go to the ledger first (``prepared``), then the
destination commits rows and proof together, then the ledger learns of it (``done``). A try that finds a prepared
delivery asks the destination: if it holds this run's proof nothing is sent again, else all of it is sent anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NoReturn, cast

import pyarrow as pa

from dragoman.core.batch import Refused, visible
from dragoman.core.errors import FatalError
from dragoman.core.failpoints import failpoint
from dragoman.core.flow import DeliverySpec, Flow
from dragoman.core.items import ItemDestination
from dragoman.core.ports import DeliverySession, FileDestination, GivesAnswers, RecordDestination, TellsMore
from dragoman.ledger.rows import Sidecar
from dragoman.steps.backfill import Backfill
from dragoman.steps.behind import catch_up
from dragoman.steps.chain import Made
from dragoman.steps.components import destination_can, opened_destination
from dragoman.steps.deletes.removals import erase
from dragoman.steps.files.encode import encode
from dragoman.steps.inputs import seal_inputs
from dragoman.steps.items.delivery import ItemDelivery
from dragoman.steps.items.keys import with_records
from dragoman.steps.limit import allowed_rejects, over_at_once
from dragoman.steps.made_ahead import made_ahead
from dragoman.steps.positions import positions_of
from dragoman.steps.proof.receipt_writer import ReceiptWriter
from dragoman.steps.refused_before import RefusedBefore
from dragoman.steps.rejects import RejectLog, explain_positions, refused_rejects
from dragoman.steps.replays.ordering_guard import OrderingGuard, filled, spread, without
from dragoman.steps.requests import request_of
from dragoman.steps.staged import StagedBatch
from dragoman.steps.tally import Tally, judge_translations
from dragoman.steps.work import Work, at_work
from dragoman.steps.workplace import Workplace

__all__ = ["deliver", "deliver_node"]


def deliver(
    flow: Flow, place: Workplace, node: str, *, run_id: str = "", trigger: str = "", backfill: Backfill | None = None
) -> dict[str, Any]:
    """Deliver one delivery of the open run from its stage."""
    with at_work(flow, place, run_id=run_id, trigger=trigger, backfill=backfill) as work:
        spec = work.delivery(node)
        if work.closed or spec is None:
            return work.facts() if work.closed else work.unknown(node)
        if work.anew or not all(work.node_state(stream.node) for stream in flow.streams):
            seal_inputs(work)
        deliver_node(work, spec)
        return work.facts(spec.input, node)


def deliver_node(work: Work, delivery: DeliverySpec, live: Iterable[StagedBatch] | None = None) -> None:
    """Deliver one delivery, unless it is done. ``live`` are batches that are sealed as they come, while reading."""
    if work.node_state(delivery.node) == "done":
        return
    if live is not None or _something(work, delivery):
        catch_up(work)
    if live is None:
        judge_translations(work)
    _Delivery(work, delivery).run(live)


def _something(work: Work, delivery: DeliverySpec) -> bool:
    """Whether the destination will be opened."""
    rows = work.place.ledger.nodes(work.run_id)
    return delivery.mode == "replace" or any(row.counts.get("handed_on", 0) for row in rows)


class _Delivery:
    """One delivery of one run, from its first batch to its commit; the ``SendingLimit`` of items on their way."""

    def __init__(self, work: Work, spec: DeliverySpec) -> None:
        self.work = work
        self.spec = spec
        self.tally = Tally(work)
        self.log = RejectLog(work.stage, spec.node, "deliver")
        self.counts: Counter[str] = Counter({"in": 0, "delivered": 0, "rejected": 0, "in_doubt": 0})
        self.session: DeliverySession | None = None
        self.applied = False
        self._opened = ExitStack()
        self._items = destination_can(spec).items
        self._root, self._links = work.flow.chain_to(spec.input)
        stream = work.stream(self._root)
        self._cursor = stream.cursor if stream else None
        self._in_hand: tuple[Made, pa.Table] | None = None
        self._before: int | None = None
        self._guard = OrderingGuard(work.place, work.run, work.flow.integration, spec)
        self._barred: list[Refused] = []
        self.receipts = ReceiptWriter(work, spec)

    def run(self, live: Iterable[StagedBatch] | None) -> None:
        with self._opened:
            try:
                self._send(live)
                self._commit()
            finally:
                self.receipts.close()
                if self.session is not None:
                    self.session.close()

    def _send(self, live: Iterable[StagedBatch] | None) -> None:
        work, node = self.work, self.spec.node
        before = RefusedBefore(work, node)
        with made_ahead(work, self.spec.input, live) as (batches, chain):
            for made in batches:
                self.tally.add(made)
                failpoint("translate.batch.done")
                outputs = made.shares[node]
                self.counts["in"] += outputs.num_rows
                if outputs.num_rows:
                    session = self._open(chain().schema)
                    but = before.rows(outputs) if self.applied else self._write(session, made, outputs)
                    remote = session.answers(made.batch.batch_id) if isinstance(session, GivesAnswers) else None
                    remote = remote and filled(remote, outputs.num_rows, self._barred)
                    erased = [True] * outputs.num_rows if made.deleted or self.spec.mode == "delete" else None
                    self.receipts.add(made.batch, outputs, but=but, remote=remote, erased=erased)
                failpoint("deliver.batch.sent")
                rejects = self.tally.rejected + self.log.count
                if not work.run.accepted and over_at_once(work.flow.policy, rejects, self.counts["in"] + rejects):
                    self._hold(rejects)
                work.place.progress("deliver", self.counts["in"])
            if self.session is None and self.spec.mode == "replace" and not self._nothing_new() and not work.run.replay:
                self._open(chain().schema)

    def _open(self, schema: pa.Schema) -> DeliverySession:
        """The session; the destination is opened where there is something for it, and not before."""
        if self.session is not None:
            return self.session
        work, spec = self.work, self.spec
        destination = self._opened.enter_context(opened_destination(spec, work.place.connections))
        request = request_of(work, spec, schema)
        if self._items:
            items, ledger = cast("ItemDestination", destination), work.place.ledger
            self.session = ItemDelivery(items, request, ledger, work.stage, self)
        elif destination_can(spec).files:
            self.session = encode(cast("FileDestination", destination), request, spec.options, spec.format)
        else:
            self.session = cast("RecordDestination", destination).deliver(request)
        self.applied = self.session.applied()
        return self.session

    def _write(self, session: DeliverySession, made: Made, outputs: pa.Table) -> list[int]:
        """Send a batch; returns the rows that did not arrive, or of which nobody knows."""
        if self._items:
            batch = made.batch
            linked = bool(made.counts)
            outputs = with_records(
                outputs,
                batch.table,
                batch.rid_base,
                self.work.run_id,
                linked=linked,
                cursor=self._cursor,
                keyed=bool(self.spec.key),
            )
            self._in_hand = (made, outputs)
        self._barred = self._guard.barred(made, outputs)
        left = without(outputs, self._barred)
        if made.deleted:
            refused = erase(session, self.spec, made.batch.batch_id, left, hidden=self._items)
        else:
            refused = session.write(made.batch.batch_id, left if self._items else visible(left))
        refused = self._with_barred(refused, outputs)
        if made.deleted:
            self.counts["deleted"] += outputs.num_rows - len(refused)
        in_doubt = sum(one.in_doubt for one in refused)
        self.counts["delivered"] += outputs.num_rows - len(refused)
        self.counts["rejected"] += len(refused) - in_doubt
        self.counts["in_doubt"] += in_doubt
        self._log(refused, made, outputs)
        return [one.row for one in refused]

    def _with_barred(self, refused: Sequence[Refused], outputs: pa.Table) -> list[Refused]:
        """What was refused of the outputs that are left, by its row in all of them, and what was barred."""
        if not self._barred:
            return list(refused)
        rows = spread(outputs.num_rows, self._barred)
        return [*self._barred, *(replace(one, row=rows[one.row]) for one in refused)]

    def _log(self, refused: Sequence[Refused], made: Made, outputs: pa.Table) -> None:
        if refused:
            rejects = refused_rejects(list(refused), outputs, stage="erase" if made.deleted else "deliver")
            self.log.add(explain_positions(rejects, made.batch.table, made.batch.rid_base))

    def allows(self, rejects: int) -> bool:
        """Whether the run may go on with so many rejects of the batch in hand (``SendingLimit``)."""
        work = self.work
        if self._before is None:
            rows = work.place.ledger.nodes(work.run_id)
            self._before = sum(row.counts.get("rejected", 0) for row in rows if row.node != self.spec.node)
        known = self._before + self.log.count + len(self._barred) + rejects
        return work.run.accepted or known <= allowed_rejects(work.flow.policy, work.read_so_far())

    def hold(self, refused: Sequence[Refused], delivered: int) -> NoReturn:
        """Hold the run in the middle of a batch; what the translations rejected is on record already."""
        if self._in_hand is not None:
            made, outputs = self._in_hand
            self._log(self._with_barred(refused, outputs), made, outputs)
        rejects = (self._before or 0) + self.log.count
        delivered += self.counts["delivered"]
        raise self.work.held(rejects, self.work.read_so_far(), (self.log,), delivered=delivered)

    def _commit(self) -> None:
        work, node, ledger = self.work, self.spec.node, self.work.place.ledger
        if self.applied:
            if work.node_state(node) != "prepared":
                raise FatalError(
                    "deliver.proof_without_record",
                    f"the destination of {node!r} holds the proof of run {work.run_id}, and the ledger knows of none",
                    next_step=f"the ledger is older than the destination: dragoman abandon {work.run_id}, then run",
                )
            receipts = self._receipts()
        else:
            self._judge()
            self.log.flush()
            if isinstance(self.session, TellsMore):
                self.counts.update(self.session.more())
            receipts = self._receipts()
            ledger.prepare_node(work.run_id, work.token, node, "delivery", dict(self.counts), rejects=self.log.rows)
            failpoint("deliver.prepared")
            if self.session is not None:
                self.session.commit(positions_of(work, node))
            failpoint("deliver.committed")
        self.tally.seal(spec.node for spec in self._links)
        ledger.finish_node(work.run_id, work.token, node, receipts=receipts)
        failpoint("deliver.recorded")

    def _receipts(self) -> list[Sidecar]:
        """The sidecars, durable before anything is committed: a full disk is noticed while all can be tried again."""
        sidecars = self.receipts.finish()
        failpoint("receipts.written")
        return sidecars

    def _judge(self) -> None:
        work = self.work
        rows = [row for row in work.place.ledger.nodes(work.run_id) if row.node not in self.tally.counts]
        before = sum(row.counts.get("rejected", 0) for row in rows if row.node != self.spec.node)
        rejects = before + self.tally.rejected + self.log.count
        if not work.run.accepted and rejects > allowed_rejects(work.flow.policy, work.read_so_far()):
            self._hold(rejects)

    def _hold(self, rejects: int) -> None:
        read = max(self.work.read_so_far(), self.counts["in"] + rejects)
        raise self.work.held(rejects, read, (*self.tally.logs.values(), self.log))

    def _nothing_new(self) -> bool:
        row = self.work.node_row(self._root)
        return row is not None and bool(row.counts.get("nothing_new", 0))
