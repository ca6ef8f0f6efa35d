"""``policy.deadline``: Airflow itself watches the time and shows a run that is late."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

__all__ = ["deadline_of", "note_missed"]

_LOG = logging.getLogger(__name__)


async def note_missed(context: Any = None, **kwargs: Any) -> None:
    """Runs in the triggerer when a run is late; Airflow has by then marked the deadline as missed."""
    run = (context or kwargs).get("dag_run") or {}
    _LOG.warning("late: run %s of %s has passed its deadline", run.get("dag_run_id", "?"), run.get("dag_id", "?"))


def deadline_of(seconds: float) -> DeadlineAlert:
    """A deadline that many seconds after the run was queued (runs by hand have no logical date to count from)."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=seconds),
        callback=AsyncCallback(note_missed),
        name="policy.deadline",
    )
