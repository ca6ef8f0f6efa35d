"""A whole Airflow on this machine's loopback: what its components are started with, and its REST API.

The caller starts the processes, so that it decides about logs, sessions and the end.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

__all__ = ["COMPONENTS", "HEALTH_PARTS", "AirflowApi", "clean_environment", "site_settings"]

COMPONENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "api-server": ("api-server",),
        "scheduler": ("scheduler", "--skip-serve-logs"),
        "dag-processor": ("dag-processor",),
        "triggerer": ("triggerer", "--skip-serve-logs"),
    }
)
"""The words behind ``airflow`` that start each component."""

HEALTH_PARTS: Mapping[str, str] = MappingProxyType(
    {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
)
"""What the API server calls the other components where it tells how they are."""

ENDED = frozenset({"success", "failed"})


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what a shell or a test session has said of another Airflow and another Dragoman."""
    return {key: value for key, value in environment.items() if not key.startswith(("AIRFLOW", "DRAGOMAN_"))}


def site_settings(home: Path, port: int, *, issuer: str = "dragoman") -> dict[str, str]:
    """Airflow's settings, as environment variables, for components on one machine with fresh secrets.

    Every component of the site must be given the same answer, so ask once. Folders, database, executor and logins are
    the caller's to add.
    """
    settings = {
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__WORKERS": "1",
        "API__SECRET_KEY": secrets.token_hex(32),
        "API_AUTH__JWT_SECRET": secrets.token_hex(64),
        "API_AUTH__JWT_ISSUER": issuer,
        "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return {f"AIRFLOW__{key}": value for key, value in settings.items()} | {"AIRFLOW_HOME": str(home)}


class AirflowApi:
    """Airflow's REST API, as anyone may use it."""

    def __init__(self, port: int) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0, trust_env=False)

    def log_in(self, username: str = "", password: str = "") -> None:
        """Take a token; without a name that of a site where everyone is an administrator."""
        if username:
            answer = self.client.post("/auth/token", json={"username": username, "password": password})
        else:
            answer = self.client.get("/auth/token")
        answer.raise_for_status()
        self.client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """One call, whatever it answers."""
        return self.client.request(method, path, json=body)

    def unhealthy(self, components: tuple[str, ...] = tuple(HEALTH_PARTS)) -> list[str]:
        """Which of these components, the API server and the database do not report that they are well."""
        try:
            health = self.client.get("/api/v2/monitor/health").json()
            parts = ("metadatabase", *(HEALTH_PARTS[name] for name in components))
            return [part for part in parts if (health.get(part) or {}).get("status") != "healthy"]
        except (httpx.HTTPError, ValueError):
            return ["api-server"]

    def import_errors(self) -> list[str]:
        """What Airflow says of broken DAG files."""
        rows = self._json("/api/v2/importErrors")["import_errors"]
        return [f"{row['filename']}: {row['stack_trace']}" for row in rows]

    def knows(self, dag: str) -> bool:
        """Whether the DAG has been parsed and stored."""
        return self.client.get(f"/api/v2/dags/{dag}").is_success

    def unpause(self, dag: str) -> None:
        """Let the scheduler run it."""
        self.client.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()

    def trigger(self, dag: str, note: str = "") -> str:
        """Ask for a run; its id."""
        body: dict[str, Any] = {"logical_date": None} | ({"note": note} if note else {})
        answer = self.client.post(f"/api/v2/dags/{dag}/dagRuns", json=body).raise_for_status()
        return str(answer.json()["dag_run_id"])

    def state(self, dag: str, run: str) -> str:
        """``queued``, ``running``, ``success`` or ``failed``."""
        return str(self._json(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        """The task instances of a run, by their ids."""
        rows = self._json(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {row["task_id"]: row for row in rows}

    def tries(self, dag: str, run: str, task: str) -> list[dict[str, Any]]:
        """Every try of a task that has begun, the first one first."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/tries"
        return sorted(self._json(path)["task_instances"], key=lambda row: int(row["try_number"]))

    def wait_for(self, dag: str, run: str, seconds: float) -> str:
        """The state in which the run has ended, or the one it has when the time is up.

        An API server that is down meanwhile is waited for.
        """
        end = time.monotonic() + seconds
        state = "unknown"
        while time.monotonic() < end and state not in ENDED:
            try:
                state = self.state(dag, run)
            except httpx.HTTPError:
                state = "unknown"
            time.sleep(0.2)
        return state

    def _json(self, path: str) -> Any:
        return self.client.get(path).raise_for_status().json()
