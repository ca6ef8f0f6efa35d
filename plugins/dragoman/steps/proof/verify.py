"""Verify: whether the receipts of a run, or of all, still prove what they proved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from dragoman.core.errors import ConfigError, DragomanError
from dragoman.core.flow import DeliverySpec
from dragoman.core.ports import ProvesBatches
from dragoman.ledger.rows import ReceiptLink, Run
from dragoman.steps.components import destination_can, opened_destination
from dragoman.steps.decide import find_run
from dragoman.steps.proof.check_receipts import Before, CheckedReceipts, Fault, check_links
from dragoman.steps.proof.look_back import LookBack
from dragoman.steps.workplace import Workplace

__all__ = ["Verdict", "verify_all", "verify_run"]

_EVERY_RUN = 1_000_000


@dataclass
class Verdict:
    """What was looked at, and every fault. ``not_looked_at`` says what could not be, and why."""

    integration: str
    run_id: str = ""
    sidecars: int = 0
    receipts: int = 0
    proofs: int = 0
    number: int = 0
    chain: str = ""
    faults: list[Fault] = field(default_factory=list)
    not_looked_at: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "sound": self.sound, "faults": [vars(fault) for fault in self.faults]}


def verify_run(place: Workplace, run_id: str) -> Verdict:
    """The receipts of one run: files, content, the chain around them, the counts, the proof at the destinations.

    Raises:
        ConfigError: ``run.unknown``.
    """
    run = find_run(place, run_id)
    verdict = Verdict(run.integration, run_id)
    links = list(place.ledger.receipt_links(run.integration, 0, run_id))
    checked = CheckedReceipts(place, run.integration)
    for link in links:
        verdict.faults += checked.faults(link)
    verdict.faults += _around(place, run.integration, links)
    _count(verdict, links)
    verdict.faults += _counts(place, run, links)
    _proofs(place, run, links, verdict)
    return verdict


def verify_all(place: Workplace, integration: str) -> Verdict:
    """The whole chain of an integration, every file of it, and the counts of every run that the ledger holds."""
    verdict = Verdict(integration)
    checked = CheckedReceipts(place, integration)
    by_run: dict[str, list[ReceiptLink]] = {}
    start = Before(*place.ledger.receipt_start(integration))
    for link, faults in check_links(place.ledger.receipt_links(integration, start.number), start):
        verdict.faults += faults
        verdict.faults += checked.faults(link)
        by_run.setdefault(link.run_id, []).append(link)
        _count(verdict, [link])
    for run in place.ledger.runs(integration, limit=_EVERY_RUN):
        verdict.faults += _counts(place, run, by_run.get(run.run_id, []))
    return verdict


def _count(verdict: Verdict, links: list[ReceiptLink]) -> None:
    verdict.sidecars += len(links)
    verdict.receipts += sum(link.rows for link in links)
    if links:
        verdict.number, verdict.chain = links[-1].number, links[-1].chain


def _around(place: Workplace, integration: str, links: list[ReceiptLink]) -> list[Fault]:
    """The chain over the run's links, and from each of its pieces to the link behind."""
    faults: list[Fault] = []
    known = {link.number: link for link in links}
    start = Before(*place.ledger.receipt_start(integration))
    head = place.ledger.receipt_head(integration)[0]
    beside = {at for number in known for at in (number - 1, number + 1)} - set(known)
    known |= place.ledger.receipt_numbers(integration, sorted(beside))
    for number in sorted({link.number for link in links} | {link.number + 1 for link in links}):
        if start.number < number <= head:
            before = known.get(number - 1)
            if before is None and number - 1 != start.number:
                continue
            link = known.get(number)
            if link is None:
                faults.append(_removed(number))
                continue
            previous = start if before is None else Before(before.number, before.chain)
            faults += next(iter(check_links([link], previous)))[1]
    firsts = {link.number - 1 for link in links} - set(known) - {start.number}
    return faults + [_removed(number) for number in sorted(firsts)]


def _removed(number: int) -> Fault:
    return Fault("receipts.link_removed", f"link {number} was removed from the chain", number=number)


def _counts(place: Workplace, run: Run, links: list[ReceiptLink]) -> Iterator[Fault]:
    """Receipts and what the ledger says was delivered; the head that the closed run noted."""
    found: Counter[str] = Counter()
    for link in links:
        found[link.node] += link.rows
    for row in place.ledger.nodes(run.run_id):
        said = row.counts.get("delivered", 0)
        if row.kind == "delivery" and row.state == "done" and said != found[row.node]:
            yield Fault(
                "receipts.count",
                f"{row.node!r} of run {run.run_id} delivered {said} outputs, and {found[row.node]} have a receipt",
                run.run_id,
                row.node,
            )
    noted = run.figures.get("receipts") if run.finished else None
    if noted and not any((link.number, link.chain) == (noted["number"], noted["chain"]) for link in links):
        yield Fault(
            "receipts.head",
            f"run {run.run_id} closed with link {noted['number']} and the hash {noted['chain']} as its last, "
            "and the chain has another or none there",
            run.run_id,
            number=int(noted["number"]),
        )


def _proofs(place: Workplace, run: Run, links: list[ReceiptLink], verdict: Verdict) -> None:
    """What the destinations that keep a proof say, as long as the run's stage is kept: they forget it after that."""
    back = LookBack(place, run)
    if back.flow is None or not place.stage.run(run.integration, run.run_id).staged()[0]:
        if links:
            verdict.not_looked_at.append("the proof at the destinations: the run's stage is no longer kept")
        return
    rows = {row.node: row for row in place.ledger.nodes(run.run_id)}
    for spec in back.flow.deliveries:
        mine = [link for link in links if link.node == spec.node]
        row = rows.get(spec.node)
        can = destination_can(spec)
        if not mine or can.files or can.items or row is None or row.counts.get("unproven"):
            continue
        roots = {batch.node for batch in back.batches(spec.node)}
        try:
            _compare(place, spec, mine, sorted(roots)[0], verdict)
        except DragomanError as error:
            verdict.not_looked_at.append(f"the proof of {spec.node!r}: {error}")


def _compare(place: Workplace, spec: DeliverySpec, links: list[ReceiptLink], root: str, verdict: Verdict) -> None:
    with opened_destination(spec, place.connections) as opened:
        if not isinstance(opened, ProvesBatches):
            return
        said = opened.applied_batches(verdict.integration, spec.node, verdict.run_id)
    for link in links:
        batch_id = f"{link.run_id}/{root}/{link.batch:05d}"
        verdict.proofs += 1
        fault = None
        if batch_id not in said:
            fault = Fault(
                "receipts.proof_missing", f"the destination of {spec.node!r} keeps no proof of batch {batch_id}"
            )
        elif said[batch_id] != link.rows:
            fault = Fault(
                "receipts.proof_differs",
                f"the destination of {spec.node!r} says {said[batch_id]} rows of batch {batch_id}, "
                f"the receipts {link.rows}",
            )
        if fault is not None:
            verdict.faults.append(replace(fault, run_id=link.run_id, node=spec.node, number=link.number))


def check_integration(place: Workplace, name: str) -> str:
    """``ConfigError`` unless the ledger has ever worked on the integration."""
    if name not in place.ledger.known_integrations():
        raise ConfigError("verify.unknown", f"the ledger knows no integration {name!r}", next_step="dragoman runs")
    return name
