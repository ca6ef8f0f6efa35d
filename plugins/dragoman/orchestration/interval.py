"""The interval that a backfill of Airflow reads: the data interval of its DAG run.

With Airflow's default timetable for cron schedules a DAG run has a data interval without length; such a run stands for
the time since the fire before it, as a live run reads what came since the last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dragoman.core.errors import ConfigError

if TYPE_CHECKING:
    from dragoman.core.flow import Flow
    from dragoman.steps.backfill import Backfill

__all__ = ["BACKFILL_PATIENCE", "backfill_of", "trigger_of"]

BACKFILL_PATIENCE = 300.0
"""Seconds that a backfill's task waits for its turn: Airflow starts several intervals of one DAG at once."""

_BACKFILL = "backfill"
"""``run_type`` of the DAG runs that a backfill makes (``airflow.utils.types.DagRunType``)."""


def backfill_of(context: Mapping[str, Any], flow: Flow) -> Backfill | None:
    """What a task of a backfill's DAG run reads; None in any other DAG run.

    Raises:
        ConfigError: ``backfill.no_interval`` where the DAG run has no data interval and the integration no cron.
    """
    if not _is_backfill(context):
        return None
    dag_run = context["dag_run"]
    from dragoman.steps.backfill import Backfill

    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is not None and start == end and flow.cron:
        start, end = _since_the_fire_before(flow, end)
    if start is None or end is None or start >= end:
        raise ConfigError(
            "backfill.no_interval",
            f"the DAG run {dag_run.run_id} has no data interval that {flow.integration} could read",
            next_step="give the DAG a timetable with data intervals, or: dragoman run NAME --from X --to Y",
        )
    again = bool((dag_run.conf or {}).get("again"))
    return Backfill(_text(start), _text(end), again)


def trigger_of(context: Mapping[str, Any]) -> str:
    """What the ledger keeps of who asked for a run: the DAG run.

    A DAG run that a backfill reprocesses was cleared for it and asks anew: it may have been a scheduled one, or one of
    an earlier backfill.
    """
    trigger = f"{context['ti'].dag_id}/{context['run_id']}"
    cleared = getattr(context.get("dag_run"), "clear_number", 0)
    return f"{trigger}#{cleared}" if cleared and _is_backfill(context) else trigger


def _is_backfill(context: Mapping[str, Any]) -> bool:
    kind = getattr(context.get("dag_run"), "run_type", "")
    return str(getattr(kind, "value", kind)) == _BACKFILL


def _since_the_fire_before(flow: Flow, moment: datetime) -> tuple[datetime, datetime]:
    from airflow.timetables.interval import CronDataIntervalTimetable

    timetable = CronDataIntervalTimetable(flow.cron, timezone=flow.timezone or "UTC")
    interval = timetable.infer_manual_data_interval(run_after=moment)
    return interval.start, interval.end


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
