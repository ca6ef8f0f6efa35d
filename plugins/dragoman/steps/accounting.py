"""Every node balances, every edge agrees: what makes a run green.

| node | must hold |
|---|---|
| source | read = handed_on + rejected + filtered |
| translation | in = passed + rejected + filtered |
| delivery | in = delivered + rejected + in_doubt |
| edge | what one end hands on = what the other takes in |

Counts are plain integers by name; ``routed.<delivery>`` on a translation is what it handed to that delivery, and
``no_route`` the outputs that no ``when:`` wanted; ``rejected_lines`` are bad lines of records that passed by their
other lines (``each: {…, atomic: false}``). Both count on the side of the outputs, and in the run's five figures.
``deletions`` of a source are those of its records that it has no longer, ``deleted`` of a delivery those of the
delivered that were erased there: shares of ``handed_on`` and ``delivered``, which no sum adds again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dragoman.core.flow import Flow

__all__ = ["FIGURES", "Verdict", "figures_of", "judge"]

FIGURES = ("read", "delivered", "rejected", "filtered", "in_doubt")
Counts = Mapping[str, int]


@dataclass(frozen=True)
class Verdict:
    """``faults``: one sentence for each node or edge that does not agree."""

    figures: dict[str, int]
    faults: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        """Whether everything agrees."""
        return not self.faults


def figures_of(flow: Flow, nodes: Mapping[str, Counts]) -> dict[str, int]:
    """The run's five figures: sums over the nodes, without sources that only serve lookups."""
    aside = {stream.node for stream in flow.streams if stream.lookup_only}
    total = dict.fromkeys(FIGURES, 0)
    for name, counts in nodes.items():
        if name in aside:
            continue
        for figure in FIGURES:
            total[figure] += counts.get(figure, 0)
        total["filtered"] += counts.get("no_route", 0)
        total["rejected"] += counts.get("rejected_lines", 0)
    return total


def judge(flow: Flow, nodes: Mapping[str, Counts]) -> Verdict:
    """Check every node and every edge of a run that has been through all its steps."""
    faults: list[str] = []
    for stream in flow.streams:
        _sum(faults, nodes, stream.node, "read", ("handed_on", "rejected", "filtered"))
    for translation in flow.translations:
        _sum(faults, nodes, translation.node, "in", ("passed", "rejected", "filtered"))
        given = sum(_handed(nodes, node) for node in translation.inputs)
        taken = nodes.get(translation.node, {}).get("in", 0)
        if given != taken:
            faults.append(f"{', '.join(translation.inputs)} handed on {given}, {translation.node} took in {taken}")
    for delivery in flow.deliveries:
        _sum(faults, nodes, delivery.node, "in", ("delivered", "rejected", "in_doubt"))
        routed = nodes.get(delivery.input, {}).get(f"routed.{delivery.node}", 0)
        taken = nodes.get(delivery.node, {}).get("in", 0)
        if routed != taken:
            faults.append(f"{delivery.input} routed {routed} outputs to {delivery.node}, which took in {taken}")
    return Verdict(figures_of(flow, nodes), tuple(faults))


def _handed(nodes: Mapping[str, Counts], node: str) -> int:
    counts = nodes.get(node, {})
    return counts.get("handed_on", counts.get("outputs", 0))


def _sum(faults: list[str], nodes: Mapping[str, Counts], node: str, whole: str, parts: tuple[str, ...]) -> None:
    counts = nodes.get(node)
    if counts is None:
        faults.append(f"{node} has no counts")
        return
    total = counts.get(whole, 0)
    shares = {part: counts.get(part, 0) for part in parts}
    if total != sum(shares.values()):
        said = " + ".join(f"{value} {part}" for part, value in shares.items())
        faults.append(f"{node}: {total} {whole} is not {said}")
