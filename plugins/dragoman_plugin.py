"""What Dragoman adds to Airflow: web routes, the link on tasks, the scheduler's listener for pools.

Airflow runs this file in each of its processes, and ``.airflowignore`` keeps it from running the package beside it.
The web app is imported only where it is served.
"""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from dragoman.orchestration.link import RunFiguresLink
from dragoman.orchestration.pools import PoolListener, in_scheduler


class DragomanPlugin(AirflowPlugin):
    """Registered once: Airflow skips a second plugin of the same name."""

    name = "dragoman"
    operator_extra_links: ClassVar[list[Any]] = [RunFiguresLink()]
    listeners: ClassVar[list[Any]] = [PoolListener()] if in_scheduler() else []

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The API server alone asks for these."""
        from dragoman.orchestration.workplace import opened_workplace
        from dragoman.web.app import create_app

        app = create_app(lambda: opened_workplace("web"))
        return [{"app": app, "url_prefix": "/dragoman", "name": "Dragoman"}]
