"""A run that is delivered in part: whether it may begin anew, and end as if its mapping had been right from the start.

That is so where the destination upserts by an id of ours, so that what is sent twice is there once; and where today's
mapping gives every output that was sent the same key as before, so that nothing of the old mapping stays behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from dragoman.core.errors import FatalError
from dragoman.core.flow import DeliverySpec, Flow
from dragoman.core.items import REFUSED, ItemDestination
from dragoman.ledger.rows import Run
from dragoman.steps.chain import Chain, root_of
from dragoman.steps.components import destination_can, opened_destination
from dragoman.steps.items.journal import BatchName, ItemJournal
from dragoman.steps.kinds import observed
from dragoman.steps.other_runs import deliveries_begun
from dragoman.steps.proof.record_key import key_texts
from dragoman.steps.staged import staged_batches
from dragoman.steps.work import Work
from dragoman.steps.workplace import Workplace

__all__ = ["must_end_the_same", "must_not_double"]


def must_not_double(place: Workplace, flow: Flow, run: Run) -> None:
    """``FatalError`` ``run.partly_delivered`` unless all that is delivered of the run may be delivered once more.

    ``flow`` is the copy of the integration that the run keeps.
    """
    for node in sorted(deliveries_begun(place, run.run_id)):
        spec = next((one for one in flow.deliveries if one.node == node), None)
        if spec is None or not _upserts(place, spec):
            raise _refused(run, f"{node!r} has delivered a part of it, or may have, and cannot take that once more")


def must_end_the_same(flow: Flow, pinned: Work) -> None:
    """``FatalError`` ``run.partly_delivered`` unless today's ``flow`` overwrites all that ``pinned`` has delivered."""
    run, place = pinned.run, pinned.place
    must_not_double(place, pinned.flow, run)
    begun = deliveries_begun(place, run.run_id)
    if begun and flow.sources != pinned.flow.sources:
        raise _refused(run, "its sources were changed too, so it cannot be told whether the same outputs come again")
    today = Work(flow, place, pinned.lease, run)
    for node in sorted(begun):
        before, now = pinned.delivery(node), today.delivery(node)
        if before is None or now is None or _target(before) != _target(now):
            raise _refused(run, f"where {node!r} delivers to was changed")
        left = set(_keys(pinned, before, sent=True)).difference(_keys(today, now, sent=False))
        if left:
            example = min(left)
            raise _refused(run, f"{len(left)} outputs that {node!r} has delivered would stay behind, such as {example}")


def _upserts(place: Workplace, spec: DeliverySpec) -> bool:
    if not destination_can(spec).items:
        return False
    with opened_destination(spec, place.connections) as opened:
        return cast("ItemDestination", opened).resolution_after(float("inf"), whole=False) == "upsert"


def _target(spec: DeliverySpec) -> tuple[object, ...]:
    return spec.connector, spec.connection, spec.options.get("path"), spec.mode, _key(spec)


def _key(spec: DeliverySpec) -> tuple[str, ...]:
    external = spec.options.get("external_id")
    return (str(external),) if external else spec.key


def _keys(work: Work, spec: DeliverySpec, *, sent: bool) -> Iterator[str]:
    """The keys of a delivery's outputs; with ``sent`` only of those that were delivered, or may have been."""
    root = root_of(work, spec.input)
    if work.stream(root) is None:
        raise _refused(work.run, f"{spec.node!r} delivers what {root!r} made of all records at once")
    if not _key(spec):
        raise _refused(work.run, f"{spec.node!r} has no key, so it cannot be told whether the same outputs come again")
    chain = Chain(work, spec.input, observed(work, root))
    for batch in staged_batches(work, root):
        table = chain.apply(batch).shares[spec.node]
        if sent:
            name = BatchName(work.run_id, spec.node, batch.seq, work.token)
            journal = ItemJournal(work.place.ledger, work.stage, name)
            known = journal.outcomes if journal.settled is None else journal.settled
            table = table.take([row for row, one in sorted(known.items()) if one.state != REFUSED])
        if table.num_rows:
            yield from key_texts(table, _key(spec)).to_pylist()


def _refused(run: Run, why: str) -> FatalError:
    name = run.integration
    if run.state == "held":
        step = f"dragoman accept {run.run_id} delivers the rest; then correct the mapping and dragoman replay {name}"
    else:
        step = f"dragoman run {name} finishes it by its own version; then dragoman replay {name} where that was wrong"
    return FatalError("run.partly_delivered", f"run {run.run_id} cannot begin anew: {why}", next_step=step)
