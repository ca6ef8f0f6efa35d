"""Airflow for the demo: its settings, its four components, and its REST API."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

from demo.failure import DemoError
from demo.places import AIRFLOW_HOME, BIN, DRAGOMAN_HOME, LOGS, TOP
from demo.processes import Started, spawn
from demo.progress import Step
from dragoman.testing.airflow_site import COMPONENTS, AirflowApi, clean_environment, site_settings

LOGIN = {"username": "admin", "password": "admin"}
HEALTHY_WITHIN = 240.0


def environment(database: str, port: int, connections: Mapping[str, str]) -> dict[str, str]:
    """What every component and every task sees; ``database`` is Airflow's own, as an SQLAlchemy URL."""
    settings = {
        "CORE__DAGS_FOLDER": TOP / "dags",
        "CORE__PLUGINS_FOLDER": TOP / "plugins",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "DATABASE__SQL_ALCHEMY_CONN": database,
        "DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
        "LOGGING__BASE_LOG_FOLDER": LOGS / "airflow",
    }
    return (
        clean_environment(os.environ)
        | site_settings(AIRFLOW_HOME, port, issuer="dragoman-demo")
        | {f"AIRFLOW__{key}": str(value) for key, value in settings.items()}
        | {f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()}
        | {
            "DRAGOMAN_HOME": str(DRAGOMAN_HOME),
            "DRAGOMAN_INTEGRATIONS": str(TOP / "dags" / "integrations"),
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
        }
    )


def migrate(env: Mapping[str, str]) -> None:
    """Make the tables of Airflow's database, and the login that everyone knows."""
    AIRFLOW_HOME.mkdir(parents=True, exist_ok=True)
    passwords = AIRFLOW_HOME / "simple_auth_manager_passwords.json.generated"
    passwords.write_text(json.dumps({LOGIN["username"]: LOGIN["password"]}))
    process = spawn("migrate", [BIN / "airflow", "db", "migrate"], env)
    leader = process.process()
    if leader is None or leader.wait() != 0:
        raise DemoError("Airflow could not make its database", process.log)


def start(env: Mapping[str, str]) -> list[Started]:
    """Start the four components, each in a session of its own."""
    return [spawn(name, [BIN / "airflow", *words], env) for name, words in COMPONENTS.items()]


def ensure_up(components: list[Started]) -> None:
    """Raises ``DemoError`` where one has ended: nothing that waits for it would ever see it happen."""
    for one in components:
        if one.leader() is None:
            raise DemoError(f"Airflow's {one.name} has ended by itself", one.log)


def wait_until_healthy(api: AirflowApi, components: list[Started], step: Step) -> None:
    """Return when all four report that they are well. Raises ``DemoError`` if one has ended or time is up."""
    end = time.monotonic() + HEALTHY_WITHIN
    while time.monotonic() < end:
        ensure_up(components)
        waiting = api.unhealthy()
        if not waiting:
            return
        step.note("waiting for " + ", ".join(waiting))
        time.sleep(0.5)
    raise DemoError(f"Airflow was not healthy after {HEALTHY_WITHIN:.0f} s", components[0].log)
