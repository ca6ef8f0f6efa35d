"""How long what is kept: ``policy.retention`` of an integration, or the defaults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from dragoman.core.errors import DragomanError
from dragoman.core.flow import Flow
from dragoman.ledger.rows import Run
from dragoman.steps.pinned import find_pinned
from dragoman.steps.workplace import Workplace

__all__ = ["Keeping", "KeepingRules"]


@dataclass(frozen=True)
class Keeping:
    """Counted from the close of a run. What is kept longest bounds the others: no payload outlives its run."""

    stage: timedelta = timedelta(days=30)
    rejects: timedelta = timedelta(days=90)
    history: timedelta = timedelta(days=400)

    @classmethod
    def of(cls, flow: Flow) -> Keeping:
        """An integration's, with the defaults for what it does not say."""
        said = {name: timedelta(seconds=seconds) for name, seconds in flow.policy.retention.items()}
        kept = cls(**said)
        rejects = min(kept.rejects, kept.history)
        return cls(min(kept.stage, kept.history), rejects, kept.history)


class KeepingRules:
    """For every integration, also those whose file is gone.

    Args:
        flows: the integrations as their files are today.
        any_broken: whether there are files that cannot be read now. What is not in ``flows`` may then be in one of
            them, with a retention of its own: it is left alone.
    """

    def __init__(self, flows: Iterable[Flow], *, any_broken: bool) -> None:
        self._known = {flow.integration: Keeping.of(flow) for flow in flows}
        self._any_broken = any_broken

    def of(self, integration: str, place: Workplace) -> Keeping | None:
        """Its file's word, else that of the newest copy that a run keeps, else the defaults; None: leave it alone."""
        known = self._known.get(integration)
        if known is not None or self._any_broken:
            return known
        for run in place.ledger.runs(integration, limit=1):
            return _of_copy(place, run)
        return Keeping()

    @property
    def longest(self) -> timedelta:
        """The longest history of all, at least the default."""
        return max([Keeping().history, *(keeping.history for keeping in self._known.values())])


def _of_copy(place: Workplace, run: Run) -> Keeping:
    try:
        copy = find_pinned(place, run)
    except DragomanError:
        return Keeping()
    return Keeping() if copy is None else Keeping.of(copy)
