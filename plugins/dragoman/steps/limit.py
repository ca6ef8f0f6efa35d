"""The reject limit of a run (``policy.max_rejects``, ``policy.on_reject``)."""

from __future__ import annotations

from dragoman.core.flow import Policy

__all__ = ["DEFAULT_COUNT", "DEFAULT_RATE", "allowed_rejects", "over_at_once"]

DEFAULT_RATE = 0.02
DEFAULT_COUNT = 10
_FLOOD = 10_000


def allowed_rejects(policy: Policy, read: int) -> float:
    """How many rejects a run of ``read`` records may have.

    By default the greater of 2 % and 10; a written value holds as written, and of rate and count whichever is less.
    ``on_reject: fail`` allows none.
    """
    if policy.on_reject == "fail":
        return 0
    if policy.max_rate is None and policy.max_count is None:
        return max(DEFAULT_RATE * read, DEFAULT_COUNT)
    limits: list[float] = []
    if policy.max_rate is not None:
        limits.append(policy.max_rate * read)
    if policy.max_count is not None:
        limits.append(policy.max_count)
    return min(limits)


def over_at_once(policy: Policy, rejects: int, read_so_far: int) -> bool:
    """Whether reading need not end to know: a written count is passed, or a flood is far over any rate."""
    if policy.on_reject == "fail":
        return rejects > 0
    if policy.max_count is not None and rejects > policy.max_count:
        return True
    return rejects > _FLOOD and rejects > allowed_rejects(policy, read_so_far)
