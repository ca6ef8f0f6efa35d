"""Airflow with CeleryExecutor: two workers, PostgreSQL, Redis and FAB, as docker-compose.yaml has them.

Each worker has a host name, a process table, an ``AIRFLOW_HOME`` and a ``DRAGOMAN_HOME`` of its own. What they share is
what several machines would share: the DAGs, the integrations, the stage, and the databases.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from dragoman.testing.airflow_site import COMPONENTS, AirflowApi, clean_environment, site_settings
from dragoman.testing.postgres import ENVIRONMENT, SUPERUSER, Cluster, free_port, make_cluster
from dragoman.testing.redis import redis_command
from scripts.cluster.process import Part, machines_can_be_made

TOP = Path(__file__).resolve().parents[2]
AIRFLOW = (sys.executable, "-m", "airflow")
WORKERS = ("worker-1", "worker-2")
DATABASES = ("airflow", "dragoman", "erp")
USERS: Mapping[str, str] = {"ada": "Admin", "olga": "Op", "vera": "Viewer"}
UP_WITHIN = 240.0

FASTER = {
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "SCHEDULER__TASK_QUEUED_TIMEOUT": "25",
    "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "3",
    "WORKERS__EXECUTION_API_RETRIES": "12",
    "WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "15",
    "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
}
"""What takes Airflow minutes by default takes seconds here: noticing the dead, and asking again for what was lost."""


@dataclass
class Site:
    """A running cluster. ``restarted`` counts the parts that ended by themselves and were started again."""

    folder: Path
    parts: dict[str, Part]
    environment: Mapping[str, str]
    database_url: str
    api: AirflowApi
    passwords: Mapping[str, str]
    restarted: dict[str, int] = field(default_factory=dict)

    def database(self, name: str) -> str:
        """The URL of one of the three databases."""
        return f"{self.database_url}{name}"

    def worker_of(self, task: Mapping[str, Any]) -> str:
        """The worker that works on a task instance, as the API shows it."""
        if machines_can_be_made():
            return str(task["hostname"])
        return next(name for name in WORKERS if self.parts[name].has(int(task["pid"])))

    def kill(self, name: str) -> None:
        """SIGKILL to a part and all that belongs to it."""
        self.parts[name].kill()

    def tend(self, *, but: str = "") -> None:
        """Start again what has ended by itself, as ``restart: unless-stopped`` does."""
        for name, part in self.parts.items():
            if name != but and not part.runs:
                self.restarted[name] = self.restarted.get(name, 0) + 1
                part.start()

    def wait_until_healthy(self, seconds: float = UP_WITHIN) -> None:
        """Return when every component reports that it is well and both workers answer the broker."""
        self.until(lambda: not self.api.unhealthy(), seconds, f"healthy: {self.api.unhealthy()}")

    def until(self, what: Callable[[], object], seconds: float, why: str, *, but: str = "") -> None:
        """Tend the cluster until the answer is true; ``TimeoutError`` with the logs' ends where it never is."""
        end = time.monotonic() + seconds
        while not what():
            self.tend(but=but)
            if time.monotonic() > end:
                raise TimeoutError(f"after {seconds:.0f} s still not {why}\n{self.tails()}")
            time.sleep(0.3)

    def tails(self) -> str:
        """The last lines of each log."""
        texts = {name: part.log.read_text(errors="replace") for name, part in self.parts.items()}
        return "\n".join(f"== {name}\n{text[-1500:]}" for name, text in texts.items())


@contextmanager
def running_site(
    integrations: Path, connections: Mapping[str, str], settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Site]:
    """Start it all on free ports in a folder of its own; end and remove all of it on the way out.

    ``integrations`` is the folder of YAML files, ``connections`` those of the environment, by their ids; ``settings``
    are more of Airflow's, such as ``{"CORE__PARALLELISM": "16"}``.
    """
    folder = Path(tempfile.mkdtemp(prefix="dragoman-cluster-"))
    folder.chmod(0o755)
    started: list[Part] = []
    try:
        site = _lay_out(folder, integrations, connections, settings)
        for name in ("postgres", "redis"):
            started.append(site.parts[name])
            site.parts[name].start()
        _make_databases(site)
        _prepare_airflow(site)
        for name in (*COMPONENTS, *WORKERS):
            started.append(site.parts[name])
            site.parts[name].start()
        site.wait_until_healthy()
        site.api.log_in("ada", site.passwords["ada"])
        yield site
    finally:
        for part in reversed(started):
            part.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _lay_out(folder: Path, integrations: Path, connections: Mapping[str, str], more: Mapping[str, str]) -> Site:
    ports = [free_port() for _ in range(3)]
    secret, queue_secret = secrets.token_hex(12), secrets.token_hex(12)
    (folder / "logs").mkdir()
    database = f"postgresql://{SUPERUSER}:{secret}@127.0.0.1:{ports[0]}/"
    settings = FASTER | {
        "CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "CORE__EXECUTOR": "CeleryExecutor",
        "CORE__PARALLELISM": "8",
        "CORE__DAGS_FOLDER": str(TOP / "dags"),
        "CORE__PLUGINS_FOLDER": str(TOP / "plugins"),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "DATABASE__SQL_ALCHEMY_CONN": f"{database.replace('postgresql:', 'postgresql+psycopg2:')}airflow",
        "CELERY__BROKER_URL": f"redis://:{queue_secret}@127.0.0.1:{ports[1]}/0",
        "CELERY__RESULT_BACKEND": f"db+{database}airflow",
        "CELERY__WORKER_CONCURRENCY": "2",
        "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
        "LOGGING__BASE_LOG_FOLDER": str(folder / "logs" / "tasks"),
        **more,
    }
    environment = (
        clean_environment(os.environ)
        | site_settings(folder / "airflow", ports[2], issuer="dragoman-cluster")
        | {f"AIRFLOW__{key}": value for key, value in settings.items()}
        | {f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()}
        | {
            "AIRFLOW_CONN_DRAGOMAN_LEDGER": f"{database}dragoman",
            "DRAGOMAN_HOME": str(folder / "dragoman"),
            "DRAGOMAN_STAGE": str(folder / "stage"),
            "DRAGOMAN_INTEGRATIONS": str(integrations),
            "PYTHONUNBUFFERED": "1",
        }
    )
    cluster = make_cluster(folder / "postgres", password=secret)
    parts = _servers(folder, cluster, ports, queue_secret) + _airflow(folder, environment)
    passwords = {name: secrets.token_urlsafe(12) for name in USERS}
    return Site(folder, {part.name: part for part in parts}, environment, database, AirflowApi(ports[2]), passwords)


def _servers(folder: Path, cluster: Cluster, ports: list[int], queue_secret: str) -> list[Part]:
    sizes = {"max_connections": "200", "shared_buffers": "64MB"}
    return [
        Part(
            "postgres",
            cluster.command(ports[0], sizes),
            ENVIRONMENT,
            folder / "logs" / "postgres.log",
            user=cluster.user,
            quit_signal=signal.SIGQUIT,
        ),
        Part(
            "redis",
            redis_command(ports[1], folder / "redis", password=queue_secret),
            ENVIRONMENT,
            folder / "logs" / "redis.log",
        ),
    ]


def _airflow(folder: Path, environment: Mapping[str, str]) -> list[Part]:
    parts = [
        Part(name, [*AIRFLOW, *words], environment, folder / "logs" / f"{name}.log")
        for name, words in COMPONENTS.items()
    ]
    for name in WORKERS:
        home, pid = folder / name, folder / name / "worker.pid"
        home.mkdir()
        own = {"AIRFLOW_HOME": str(home / "airflow"), "DRAGOMAN_HOME": str(home / "dragoman")}
        words = ["celery", "worker", "--skip-serve-logs", "--celery-hostname", f"celery@{name}", "--pid", str(pid)]
        parts.append(
            Part(
                name,
                [*AIRFLOW, *words],
                dict(environment) | own,
                folder / "logs" / f"{name}.log",
                machine=True,
                prepare=lambda pid=pid: pid.unlink(missing_ok=True),  # type: ignore[misc]
            )
        )
    return parts


def _make_databases(site: Site) -> None:
    def made() -> bool:
        try:
            with psycopg.connect(site.database("postgres"), autocommit=True, connect_timeout=5) as connection:
                for name in DATABASES:
                    connection.execute(f'CREATE DATABASE "{name}"')
        except psycopg.OperationalError:
            return False
        return True

    end = time.monotonic() + UP_WITHIN
    while not made():
        if not site.parts["postgres"].runs or time.monotonic() > end:
            raise TimeoutError(f"PostgreSQL did not come up\n{site.parts['postgres'].log.read_text()}")
        time.sleep(0.1)


def _prepare_airflow(site: Site) -> None:
    people = [{"name": name, "role": role, "password": site.passwords[name]} for name, role in USERS.items()]
    done = subprocess.run(
        [sys.executable, "-m", "scripts.cluster.prepare"],
        input=json.dumps(people),
        env=dict(site.environment) | {"PYTHONPATH": str(TOP)},
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"Airflow could not make its database:\n{(done.stdout + done.stderr)[-3000:]}")
