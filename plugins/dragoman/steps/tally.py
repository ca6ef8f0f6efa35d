"""The translations of a run: counted node by node, and judged before anything is committed that could not be undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dragoman.core.batch import Reject, visible
from dragoman.core.flow import DeliverySpec
from dragoman.steps.chain import Made
from dragoman.steps.components import destination_can
from dragoman.steps.items.maker import unfit_outputs
from dragoman.steps.limit import allowed_rejects
from dragoman.steps.made_ahead import made_ahead
from dragoman.steps.rejects import RejectLog, explain_positions, refused_rejects
from dragoman.steps.work import Work

__all__ = ["Tally", "judge_translations"]


def judge_translations(work: Work) -> None:
    """Translate everything once before anything is committed, and judge the limit, where one commit is not all.

    That is so with several deliveries, and where a destination takes batch by batch.
    """
    if len(work.flow.deliveries) == 1 and destination_can(work.flow.deliveries[0]).visible == "run":
        return
    unfit: list[RejectLog] = []
    for delivery in work.flow.deliveries:
        if work.node_state(delivery.input):
            continue
        tally, items = Tally(work), destination_can(delivery).items
        log = RejectLog(work.stage, delivery.node, "deliver")
        with made_ahead(work, delivery.input, None) as (batches, _chain):
            for made in batches:
                tally.add(made)
                if items and not made.deleted:
                    log.add(_unfit(made, delivery))
        tally.seal()
        unfit.append(log)
    rejected = sum(row.counts.get("rejected", 0) for row in work.place.ledger.nodes(work.run_id))
    rejected += sum(log.count for log in unfit)
    if not work.run.accepted and rejected > allowed_rejects(work.flow.policy, work.read_so_far()):
        raise work.held(rejected, work.read_so_far(), unfit)


def _unfit(made: Made, delivery: DeliverySpec) -> list[Reject]:
    """The outputs of which no item can be made: known before the first request, so they count before it."""
    outputs = made.shares[delivery.node]
    refused = list(unfit_outputs(visible(outputs), delivery.key).values())
    return explain_positions(refused_rejects(refused, outputs), made.batch.table, made.batch.rid_base)


@dataclass
class Tally:
    """Counts and rejects of the translations that a pass goes through, node by node."""

    work: Work
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    logs: dict[str, RejectLog] = field(default_factory=dict)

    def add(self, made: Made) -> None:
        """Count what a chain made of one batch."""
        for node, counts in made.counts.items():
            self.counts.setdefault(node, Counter()).update(counts)
            log = self.logs.setdefault(node, RejectLog(self.work.stage, node, "translate"))
            log.add(made.rejects[node])

    @property
    def rejected(self) -> int:
        """Rejects so far, lines one by one."""
        return sum(log.count for log in self.logs.values())

    def seal(self, nodes: Iterable[str] = ()) -> None:
        """Put it into the ledger, for these nodes too, except where that is done; nothing is changed any more."""
        for node in {*nodes, *self.counts}:
            if self.work.node_state(node):
                continue
            log = self.logs.get(node) or RejectLog(self.work.stage, node, "translate")
            log.flush()
            counts = {"in": 0, "passed": 0, "rejected": 0, "filtered": 0, "outputs": 0} | dict(
                self.counts.get(node, {})
            )
            self.work.place.ledger.seal_node(
                self.work.run_id, self.work.token, node, "translation", counts, rejects=log.rows
            )
