"""Nodes that balance, edges that agree, and every way in which they may not."""

from __future__ import annotations

import copy

import pytest

from dragoman.core.flow import DeliverySpec, Flow, SourceSpec, StreamSpec, TranslationSpec
from dragoman.steps.accounting import judge

FLOW = Flow(
    integration="orders",
    sources=(
        SourceSpec(name="orders", connector="files", streams=(StreamSpec(node="orders"),)),
        SourceSpec(name="names", connector="files", streams=(StreamSpec(node="names", lookup_only=True),)),
    ),
    translations=(TranslationSpec(node="lines", inputs=("orders",)),),
    deliveries=(
        DeliverySpec(node="eu", input="lines", connector="files", when="region = 'EU'"),
        DeliverySpec(node="us", input="lines", connector="files", when="region = 'US'"),
    ),
)
GOOD = {
    "orders": {"read": 10, "handed_on": 8, "rejected": 1, "filtered": 1},
    "names": {"read": 99, "handed_on": 99, "rejected": 0, "filtered": 0},
    "lines": {
        "in": 8,
        "passed": 6,
        "rejected": 1,
        "filtered": 1,
        "outputs": 6,
        "routed.eu": 3,
        "routed.us": 2,
        "no_route": 1,
    },
    "eu": {"in": 3, "delivered": 2, "rejected": 1, "in_doubt": 0},
    "us": {"in": 2, "delivered": 1, "rejected": 0, "in_doubt": 1},
}


def test_the_five_figures_are_sums_and_a_lookup_source_does_not_count() -> None:
    verdict = judge(FLOW, GOOD)
    assert verdict.balanced, verdict.faults
    assert verdict.figures == {"read": 10, "delivered": 3, "rejected": 3, "filtered": 3, "in_doubt": 1}
    assert sum(value for name, value in verdict.figures.items() if name != "read") == 10


@pytest.mark.parametrize(
    ("node", "count", "says"),
    [
        ("orders", "read", "orders: 11 read is not 8 handed_on + 1 rejected + 1 filtered"),
        ("orders", "filtered", "orders: 10 read"),
        ("names", "handed_on", "names: 99 read"),
        ("lines", "in", "orders handed on 8, lines took in 9"),
        ("lines", "routed.eu", "lines routed 4 outputs to eu, which took in 3"),
        ("eu", "delivered", "eu: 3 in is not 3 delivered"),
        ("us", "in", "us: 3 in is not"),
    ],
)
def test_one_record_more_or_less_anywhere_is_seen(node: str, count: str, says: str) -> None:
    nodes = copy.deepcopy(GOOD)
    nodes[node][count] += 1
    verdict = judge(FLOW, nodes)
    assert not verdict.balanced
    assert any(says in fault for fault in verdict.faults), verdict.faults


def test_a_node_that_never_counted_is_a_fault() -> None:
    nodes = {name: counts for name, counts in GOOD.items() if name != "us"}
    assert any("us has no counts" in fault for fault in judge(FLOW, nodes).faults)
