"""When a run is over its reject limit."""

from __future__ import annotations

import pytest

from dragoman.core.flow import Policy
from dragoman.steps.limit import allowed_rejects, over_at_once


@pytest.mark.parametrize(
    ("policy", "read", "allowed"),
    [
        (Policy(), 100, 10),
        (Policy(), 10_000, 200),
        (Policy(max_rate=0.01), 100, 1),
        (Policy(max_rate=0.0), 1_000_000, 0),
        (Policy(max_count=3), 1_000_000, 3),
        (Policy(max_rate=0.5, max_count=3), 4, 2),
        (Policy(max_rate=0.5, max_count=3), 100, 3),
        (Policy(on_reject="fail", max_count=3), 100, 0),
    ],
)
def test_the_limit_is_what_is_written_or_the_greater_of_two_percent_and_ten(
    policy: Policy, read: int, allowed: float
) -> None:
    assert allowed_rejects(policy, read) == allowed


@pytest.mark.parametrize(
    ("policy", "rejects", "read", "over"),
    [
        (Policy(), 9_999, 9_999, False),
        (Policy(), 10_001, 10_001, True),
        (Policy(), 10_001, 10_000_000, False),
        (Policy(max_count=3), 3, 3, False),
        (Policy(max_count=3), 4, 1_000_000, True),
        (Policy(on_reject="fail"), 1, 1, True),
        (Policy(max_rate=0.01), 50, 100, False),
    ],
)
def test_a_count_is_judged_at_once_and_a_rate_only_when_it_is_hopeless(
    policy: Policy, rejects: int, read: int, over: bool
) -> None:
    assert over_at_once(policy, rejects, read) is over
