"""Airflow for the demo: its settings, its four components, and its REST API."""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from collections.abc import Mapping
from typing import Any

import httpx

from demo.failure import DemoError
from demo.places import AIRFLOW_HOME, BIN, DRAGOMAN_HOME, LOGS, TOP
from demo.processes import Started, spawn
from demo.progress import Step

LOGIN = {"username": "admin", "password": "admin"}
COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
HEALTHY_WITHIN = 240.0


def environment(database: str, port: int, connections: Mapping[str, str]) -> dict[str, str]:
    """What every component and every task sees; ``database`` is Airflow's own, as an SQLAlchemy URL."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "DRAGOMAN_"))}
    settings = {
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_FOLDER": TOP / "dags",
        "CORE__PLUGINS_FOLDER": TOP / "plugins",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "DATABASE__SQL_ALCHEMY_CONN": database,
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__SECRET_KEY": secrets.token_hex(32),
        "API_AUTH__JWT_SECRET": secrets.token_hex(64),
        "API_AUTH__JWT_ISSUER": "dragoman-demo",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
        "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "LOGGING__BASE_LOG_FOLDER": LOGS / "airflow",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return (
        clean
        | {f"AIRFLOW__{key}": str(value) for key, value in settings.items()}
        | {f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()}
        | {
            "AIRFLOW_HOME": str(AIRFLOW_HOME),
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


class Api:
    """Airflow's REST API, as anyone may use it."""

    def __init__(self, port: int) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0, trust_env=False)

    def wait_until_healthy(self, components: list[Started], step: Step) -> None:
        """Return when all four report that they are well. Raises ``DemoError`` if one has ended or time is up."""
        end = time.monotonic() + HEALTHY_WITHIN
        while time.monotonic() < end:
            ensure_up(components)
            waiting = self._unhealthy()
            if not waiting:
                return
            step.note("waiting for " + ", ".join(waiting))
            time.sleep(0.5)
        raise DemoError(f"Airflow was not healthy after {HEALTHY_WITHIN:.0f} s", components[0].log)

    def _unhealthy(self) -> list[str]:
        try:
            health = self.client.get("/api/v2/monitor/health").json()
        except (httpx.HTTPError, ValueError):
            return ["api-server"]
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return [name for name in parts if (health.get(name) or {}).get("status") != "healthy"]

    def log_in(self) -> None:
        """Take a token for the known login."""
        answer = self.client.post("/auth/token", json=LOGIN)
        answer.raise_for_status()
        self.client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def import_errors(self) -> list[str]:
        """What Airflow says of broken DAG files."""
        rows = self.client.get("/api/v2/importErrors").raise_for_status().json()["import_errors"]
        return [f"{row['filename']}: {row['stack_trace']}" for row in rows]

    def knows(self, dag: str) -> bool:
        """Whether the DAG has been parsed and stored."""
        return self.client.get(f"/api/v2/dags/{dag}").is_success

    def unpause(self, dag: str) -> None:
        """Let the scheduler run it."""
        self.client.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()

    def trigger(self, dag: str) -> str:
        """Ask for a run; its id."""
        body: dict[str, Any] = {"logical_date": None, "note": "started by the demo"}
        answer = self.client.post(f"/api/v2/dags/{dag}/dagRuns", json=body).raise_for_status()
        return str(answer.json()["dag_run_id"])

    def state(self, dag: str, run: str) -> str:
        """``queued``, ``running``, ``success`` or ``failed``."""
        return str(self.client.get(f"/api/v2/dags/{dag}/dagRuns/{run}").raise_for_status().json()["state"])

    def tasks(self, dag: str, run: str) -> dict[str, str]:
        """The state of each task of a run."""
        rows = self.client.get(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances").raise_for_status().json()
        return {row["task_id"]: row["state"] or "waiting" for row in rows["task_instances"]}
