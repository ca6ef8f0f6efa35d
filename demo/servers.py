"""The two servers beside Airflow: PostgreSQL from a wheel, and the small API with the shop's orders."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from demo.failure import DemoError
from demo.places import API_DATA, STATE
from demo.processes import spawn
from dragoman.testing.postgres import ENVIRONMENT, SUPERUSER, free_port, make_cluster

POSTGRES_FOLDER = STATE / "postgres-folder"
UP_WITHIN = 30.0


def start_postgres(databases: tuple[str, ...]) -> str:
    """Start a new cluster with these databases; its URL up to and including the last slash."""
    folder = Path(tempfile.mkdtemp(prefix="dragoman-demo-")) if os.geteuid() == 0 else STATE / "postgres"
    POSTGRES_FOLDER.write_text(str(folder))
    password, port = secrets.token_hex(12), free_port()
    cluster = make_cluster(folder, password=password)
    server = spawn(
        "postgres",
        cluster.command(port, {"max_connections": "150", "shared_buffers": "64MB"}),
        ENVIRONMENT,
        user=cluster.user,
        cwd=Path("/"),
        stop_signal=signal.SIGINT,
        alone=True,
    )
    url = f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/"
    end = time.monotonic() + UP_WITHIN
    while True:
        try:
            with psycopg.connect(f"{url}postgres", autocommit=True, connect_timeout=5) as connection:
                for name in databases:
                    connection.execute(f'CREATE DATABASE "{name}"')
            return url
        except psycopg.OperationalError as error:
            if server.leader() is None or time.monotonic() > end:
                raise DemoError(f"PostgreSQL did not come up: {error}", server.log) from error
            time.sleep(0.1)


def remove_postgres() -> None:
    """Remove the stopped cluster's folder."""
    if POSTGRES_FOLDER.exists():
        shutil.rmtree(POSTGRES_FOLDER.read_text(), ignore_errors=True)
        POSTGRES_FOLDER.unlink()


def start_api() -> str:
    """Start the shop's API over ``.demo/orders.json``, which it reads anew for each answer; its base URL."""
    command: list[str | Path] = [sys.executable, "-m", "dragoman.testing.sample_api", "--data", API_DATA]
    server = spawn("sample-api", command, os.environ)
    end = time.monotonic() + UP_WITHIN
    while not (said := server.log.read_text()).endswith("\n"):
        if server.leader() is None or time.monotonic() > end:
            raise DemoError("the sample API did not come up", server.log)
        time.sleep(0.05)
    return said.splitlines()[0]
