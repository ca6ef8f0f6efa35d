"""``policy.deadline``: Airflow itself watches the time; a run that is late is marked, and told to whoever wants it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from dragoman.core.flow import Flow

__all__ = ["deadline_of", "note_missed"]

_LOG = logging.getLogger(__name__)


async def note_missed(context: Any = None, **told: Any) -> None:
    """Runs in the triggerer when a run is late; Airflow has by then marked the deadline as missed.

    ``told`` is what ``deadline_of`` gave: ``integration``, ``title``, ``seconds`` and ``alerts``.
    """
    await asyncio.to_thread(_note, context or {}, **told)


def _note(
    context: dict[str, Any], *, integration: str, title: str, seconds: float, alerts: list[dict[str, Any]]
) -> None:
    from dragoman.orchestration.news import happening_of
    from dragoman.orchestration.telling import note_late, tell_again
    from dragoman.orchestration.workplace import opened_workplace

    seen = replace(happening_of(context, integration, title), deadline=seconds)
    _LOG.warning("late: run %s of %s has passed its deadline of %g s", seen.dag_run_id, integration, seconds)
    with opened_workplace(f"airflow:{seen.trigger}") as place:
        note_late(place.ledger, seen, alerts)
        tell_again(place.ledger, integration)


def deadline_of(flow: Flow, seconds: float) -> DeadlineAlert:
    """A deadline that many seconds after the run was queued (runs by hand have no logical date to count from)."""
    alerts = [{**alert, "on": ["late"]} for alert in flow.alerts if "late" in alert["on"]]
    told = {"integration": flow.integration, "title": flow.title, "seconds": seconds, "alerts": alerts}
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=seconds),
        callback=AsyncCallback(note_missed, kwargs=told),
        name="policy.deadline",
    )
