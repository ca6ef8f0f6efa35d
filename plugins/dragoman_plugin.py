"""For Airflow's plugins folder: registers the plugin where the folder is mounted, installed package or not.

Airflow runs this file in each of its processes, and ``.airflowignore`` keeps it from running the package beside it.
"""

from __future__ import annotations

from dragoman.plugin import DragomanPlugin

__all__ = ["DragomanPlugin"]
