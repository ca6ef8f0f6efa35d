"""A real PostgreSQL for tests: from the wheel, on a free loopback port, also for root, stopped by its own handle."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import psycopg

from dragoman.testing.postgres import ENVIRONMENT, SUPERUSER, Cluster, free_port, make_cluster


@dataclass
class Server:
    """A running server; ``url`` is of its database ``postgres``, ``pid`` of the process started here."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    cluster: Cluster
    settings: Mapping[str, str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def fresh_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.rpartition("/")[0] + f"/{name}"

    def drop_database(self, url: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")


FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "32MB"}


def start_postgres(
    folder: Path | None = None, attempts: int = 3, settings: Mapping[str, str] = MappingProxyType(FAST)
) -> Server:
    """Start a new cluster in ``folder`` (a new temporary folder by default); takes about a second.

    ``settings``: fast and not durable by default; empty for PostgreSQL's own defaults.

    PostgreSQL refuses to run as root: root hands the folder and the processes to ``nobody``.
    """
    home = folder or Path(tempfile.mkdtemp(prefix="dragoman-pg-"))
    cluster = make_cluster(home)
    for _ in range(attempts):
        port = free_port()
        process = _launch(cluster, port, settings)
        if process is not None:
            url = f"postgresql://{SUPERUSER}@127.0.0.1:{port}/postgres"
            return Server(url, home, process, cluster, settings)
    raise RuntimeError((home / "log").read_text(errors="replace")[-2000:])


def kill_postgres(server: Server) -> None:
    """SIGKILL to the server and all its processes at once, as when its machine runs out of memory."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for pid in [server.pid, *map(int, children)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait(30)


def restart_postgres(server: Server) -> None:
    """Start a killed server again on its port; it recovers from its log first."""
    (server.cluster.data / "postmaster.pid").unlink(missing_ok=True)
    for _ in range(20):  # what the killed one left in shared memory goes with its last process
        process = _launch(server.cluster, urlsplit(server.url).port or 0, server.settings)
        if process is not None:
            server.process = process
            return
        time.sleep(0.25)
    raise RuntimeError((server.folder / "log").read_text(errors="replace")[-2000:])


def stop_postgres(server: Server) -> None:
    """End it at once (SIGQUIT, no checkpoint) and remove its folder."""
    server.process.send_signal(3)
    server.process.wait(30)
    shutil.rmtree(server.folder, ignore_errors=True)


def _launch(cluster: Cluster, port: int, settings: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    process = subprocess.Popen(
        cluster.command(port, {"max_connections": "100", **settings}),
        user=cluster.user,
        cwd=cluster.data,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    log = cluster.data.parent / "log"
    lines = []
    for line in process.stderr:  # the server's own word that it is ready; the end of the stream means that it gave up
        lines.append(line)
        if b"ready to accept connections" in line:
            _drain(process)
            return process
    log.write_bytes(b"".join(lines))
    process.wait(10)
    return None


def _drain(process: subprocess.Popen[bytes]) -> None:
    assert process.stderr is not None
    stream = process.stderr

    def read_on() -> None:
        for _ in stream:
            pass

    threading.Thread(target=read_on, name="postgres-log", daemon=True).start()
