"""The housekeeping, once a night: what ``policy.retention`` no longer keeps, lost leases, runs left open.

Trigger it with ``{"dry_run": true}`` to see what would be removed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, task

with DAG(
    "platform_housekeeping",
    description="Removes what is kept no longer; sees to what dead processes have left",
    schedule=CronTriggerTimetable("17 3 * * *", timezone="UTC"),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    params={"dry_run": Param(default=False, type="boolean", description="Only say what would be removed")},
    tags=["dragoman", "platform"],
):

    @task(retries=2, retry_delay=timedelta(minutes=10))
    def keep_house(params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Returns what was done, as ``dragoman purge --json`` does."""
        from dragoman.orchestration.housekeeping import keep_house

        return keep_house(dry_run=bool((params or {}).get("dry_run")))

    keep_house()
