"""A real Airflow for one test: API server, scheduler with LocalExecutor and DAG processor, on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from dragoman.testing.airflow_site import COMPONENTS, HEALTH_PARTS, AirflowApi, site_settings
from dragoman.testing.postgres import free_port

STARTED = ("api-server", "scheduler", "dag-processor")


class Cluster(AirflowApi):
    """What a test does with it, as an administrator. ``database`` is Airflow's own SQLite file."""

    def __init__(self, home: Path, port: int, components: tuple[str, ...] = STARTED) -> None:
        super().__init__(port)
        self.components = components
        self.database = home / "airflow.db"
        self.logs = home / "logs"
        self._base = f"http://127.0.0.1:{port}"

    def up(self) -> bool:
        """Whether the API server answers and the others have a heartbeat."""
        return not self.unhealthy(tuple(name for name in self.components if name in HEALTH_PARTS))

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """One call of the REST API, with a token taken at the first."""
        if "Authorization" not in self.client.headers:
            self.log_in()
        return super().call(method, path, body)


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

    ``more`` names components beside ``STARTED``, such as the triggerer.
    """
    home.mkdir()
    shutil.copy(migrated, home / "airflow.db")
    port = free_port()
    common = site_settings(home, port)
    settings = {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    }
    command = [sys.executable, "-m", "airflow"]
    components = (*STARTED, *more)
    processes = []
    try:
        for name in components:
            with (home / f"{name}.log").open("wb") as log:
                processes.append(
                    subprocess.Popen(
                        [*command, *COMPONENTS[name]],
                        env={**os.environ, **common, **environment, **settings},
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
