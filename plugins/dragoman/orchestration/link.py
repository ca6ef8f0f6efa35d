"""The button on a task that opens the figures of its run."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

__all__ = ["RunFiguresLink"]


class RunFiguresLink(BaseOperatorLink):
    """Airflow's worker asks for the link when the task ends, and keeps it with the task's XComs."""

    name = "Run figures"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address of the plugin's read-only page, below Airflow's own address."""
        from airflow.configuration import conf

        base = str(conf.get("api", "base_url", fallback="") or "/").rstrip("/")
        run_id = getattr(operator, "dragoman_run_id", "") or ti_key.run_id
        return f"{base}/dragoman/runs/{quote(ti_key.dag_id, safe='')}/{quote(run_id, safe='')}"
