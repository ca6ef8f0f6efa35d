"""``alerts:``: the callbacks that the factory gives to the tasks of an integration.

They are callbacks of tasks, not of the DAG: a task's process calls them at once and in parallel, while callbacks of
DAGs are all run by the DAG processor, which reads the whole DAG file again for them. Airflow calls a failure callback
only when no retry is left. Where a task was killed, the DAG processor calls it in its place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dragoman.core.errors import DragomanError
from dragoman.core.flow import Flow

if TYPE_CHECKING:
    from dragoman.ledger.ledger import Ledger
    from dragoman.orchestration.news import Happening

__all__ = ["RunAlerts"]

_LOG = logging.getLogger(__name__)


class RunAlerts:
    """Two callbacks for Airflow, ``failed`` and ``succeeded``. They keep names only, so that reading DAGs is cheap."""

    __slots__ = ("_alerts", "_integration", "_title")

    def __init__(self, flow: Flow) -> None:
        self._integration = flow.integration
        self._title = flow.title
        self._alerts = flow.alerts

    def failed(self, context: Mapping[str, Any]) -> None:
        """``on_failure_callback`` of each task."""
        from dragoman.orchestration.telling import note_failure, tell_without_ledger

        seen = self._seen(context)
        if not self._told(note_failure, seen):
            tell_without_ledger(seen, self._alerts)

    def succeeded(self, context: Mapping[str, Any]) -> None:
        """``on_success_callback`` of the task that closes the run."""
        from dragoman.orchestration.telling import note_success

        self._told(note_success, self._seen(context))

    def _seen(self, context: Mapping[str, Any]) -> Happening:
        from dragoman.orchestration.news import happening_of

        return happening_of(context, self._integration, self._title)

    def _told(self, note: Callable[[Ledger, Happening, Sequence[Mapping[str, Any]]], None], seen: Happening) -> bool:
        """Note what happened and tell it; False where the ledger could not take it. The run's colour stays as it is."""
        from dragoman.orchestration.telling import tell_again
        from dragoman.orchestration.workplace import opened_workplace

        noted = False
        try:
            with opened_workplace(f"airflow:{seen.trigger}") as place:
                note(place.ledger, seen, self._alerts)
                noted = True
                tell_again(place.ledger, seen.integration)
        except DragomanError:
            _LOG.exception("the ledger does not take what is to be told of %s", self._integration)
        return noted
