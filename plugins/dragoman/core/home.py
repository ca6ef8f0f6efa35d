"""Where Dragoman keeps and finds things, from the environment."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["dragoman_home", "integrations_folder"]


def dragoman_home() -> Path:
    """Ledger, stage and cache: ``DRAGOMAN_HOME``, else under ``AIRFLOW_HOME``, else in the user's home."""
    named = os.environ.get("DRAGOMAN_HOME")
    if named:
        return Path(named).expanduser().resolve()
    airflow = os.environ.get("AIRFLOW_HOME")
    if airflow:
        return Path(airflow).expanduser().resolve() / "dragoman"
    return Path.home() / ".dragoman"


def integrations_folder() -> Path:
    """The YAML files: ``DRAGOMAN_INTEGRATIONS``, else ``dags/integrations`` here or under ``AIRFLOW_HOME``."""
    named = os.environ.get("DRAGOMAN_INTEGRATIONS")
    if named:
        return Path(named).expanduser().resolve()
    here = Path("dags/integrations")
    airflow = os.environ.get("AIRFLOW_HOME")
    if not here.is_dir() and airflow:
        return Path(airflow).expanduser().resolve() / "dags" / "integrations"
    return here.resolve()
