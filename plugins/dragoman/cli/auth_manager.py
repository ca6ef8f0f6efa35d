"""Which auth manager Airflow would use here, without importing Airflow: that costs seconds."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["access_without_effect"]

_DEFAULT = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"


def access_without_effect(files: Iterable[Path]) -> list[str]:
    """A sentence where integrations have ``access:`` and the auth manager knows no rights per DAG; else nothing."""
    manager = _configured()
    if "fab" in manager.lower():
        return []
    asking = [file for file in files if _has_access(file)]
    if not asking:
        return []
    several = f"{len(asking)} integrations have" if len(asking) > 1 else f"{asking[0].name} has"
    return [
        f"{several} access:, which has no effect with the auth manager {manager.rpartition('.')[2]}: it knows no "
        "rights per DAG; with AIRFLOW__CORE__AUTH_MANAGER set to FAB's it has (docs/access.md)"
    ]


def _configured() -> str:
    """As Airflow looks for it: the environment, the configuration file, the default."""
    said = os.environ.get("AIRFLOW__CORE__AUTH_MANAGER")
    if said:
        return said
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser()
    file = Path(os.environ.get("AIRFLOW_CONFIG") or home / "airflow.cfg").expanduser()
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return _DEFAULT
    return parser.get("core", "auth_manager", fallback="") or _DEFAULT


def _has_access(file: Path) -> bool:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.startswith("access:") for line in lines)
