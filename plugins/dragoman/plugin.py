"""What Dragoman adds to Airflow: web routes, the link on tasks, the scheduler's listener for pools.

Airflow may find it in two ways: by ``plugins/dragoman_plugin.py`` in its plugins folder, and by the entry point
``airflow.plugins`` of the installed package. It must be registered once: of a name that comes twice Airflow's core
keeps the first and reports an error, and its task SDK drops every plugin that comes after it. So the entry point stands
back (``FROM_PACKAGE`` is None) where the folder's file has registered the plugin. Airflow reads the folder first, in
each of its two loaders.

This module joins the shell's parts, which do not know each other: it stands above them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from dragoman.orchestration.link import RunFiguresLink
from dragoman.orchestration.pools import PoolListener, in_scheduler

__all__ = ["DragomanPlugin"]

FOLDER_MODULE = "dragoman_plugin"


class DragomanPlugin(AirflowPlugin):
    """Imported in each of Airflow's processes; the web app only where it is served."""

    name = "dragoman"
    operator_extra_links: ClassVar[list[Any]] = [RunFiguresLink()]
    listeners: ClassVar[list[Any]] = [PoolListener()] if in_scheduler() else []

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The API server alone asks for these."""
        from dragoman.orchestration.rights.words import payload_view
        from dragoman.orchestration.workplace import opened_workplace
        from dragoman.web.app import create_app

        app = create_app(lambda: opened_workplace("web"), payload_view)
        return [{"app": app, "url_prefix": "/dragoman", "name": "Dragoman"}]

    @property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:
        """The API server keeps the rights of ``access:`` up to date."""
        from dragoman.orchestration.rights.keeper import RightsKeeper

        return [{"middleware": RightsKeeper, "name": "Dragoman rights"}]


def __getattr__(name: str) -> type[DragomanPlugin] | None:
    """``FROM_PACKAGE``, asked anew each time Airflow loads plugins: the class, or None where the folder has it."""
    if name == "FROM_PACKAGE":
        return None if _folder_has_it() else DragomanPlugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _folder_has_it() -> bool:
    """Whether Airflow has run the plugins folder's file, at whatever depth it lies there, to its end."""
    from airflow.configuration import conf

    module = sys.modules.get(FOLDER_MODULE)
    if module is None or getattr(module, DragomanPlugin.__name__, None) is None:
        return False
    folder = Path(conf.get_mandatory_value("core", "plugins_folder")).resolve()
    return Path(str(module.__file__)).resolve().is_relative_to(folder)
