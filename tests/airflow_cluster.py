"""A real Airflow for one test: API server, scheduler with LocalExecutor and DAG processor, on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

COMPONENTS = ("api-server", "scheduler", "dag-processor")


class Cluster:
    """What a test does with it. ``database`` is Airflow's own SQLite file."""

    def __init__(self, home: Path, port: int, components: tuple[str, ...] = COMPONENTS) -> None:
        self.components = components
        self.database = home / "airflow.db"
        self.logs = home / "logs"
        self._base = f"http://127.0.0.1:{port}"
        self._token = ""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """One call of the REST API as an administrator."""
        if not self._token:
            self._token = httpx.get(f"{self._base}/auth/token", timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        return httpx.request(method, f"{self._base}{path}", json=body, headers=headers, timeout=30)

    def up(self) -> bool:
        """Whether the API server answers and the scheduler has a heartbeat."""
        try:
            health = httpx.get(f"{self._base}/api/v2/monitor/health", timeout=5).json()
        except (httpx.HTTPError, ValueError):
            return False
        parts = ("scheduler", "dag_processor", *(part for part in ("triggerer",) if part in self.components))
        return all(health[part]["status"] == "healthy" for part in parts)

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """The task instances of a run, by their ids."""
        answer = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances").json()
        return {task["task_id"]: task for task in answer["task_instances"]}


def until(what: Callable[[], Any], seconds: float, why: str) -> Any:
    """Ask until the answer is true; fails with ``why``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"after {seconds:g} s still not: {why}")


@contextmanager
def cluster(
    home: Path, migrated: Path, environment: Mapping[str, str], more: tuple[str, ...] = ()
) -> Iterator[Cluster]:
    """Start on a copy of a migrated database, and end every process at the end, whatever happened.

    ``more`` names components beside ``COMPONENTS``, such as the triggerer.
    """
    home.mkdir()
    shutil.copy(migrated, home / "airflow.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API_AUTH__JWT_SECRET": "0" * 64,
        "AIRFLOW__API__SECRET_KEY": "1" * 32,
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    }
    command = [sys.executable, "-m", "airflow"]
    components = (*COMPONENTS, *more)
    processes = []
    try:
        for name in components:
            with (home / f"{name}.log").open("wb") as log:
                processes.append(
                    subprocess.Popen(
                        [*command, name],
                        env={**os.environ, **environment, **settings},
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        running = Cluster(home, port, components)
        try:
            until(running.up, 90, "Airflow is healthy")
            yield running
        except AssertionError as error:
            for name in components:
                error.add_note(f"== {name}\n{(home / f'{name}.log').read_text()[-2000:]}")
            raise
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
