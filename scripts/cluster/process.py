"""One process of the cluster: started with its log, killed with everything below it, started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psutil


@dataclass
class Part:
    """A component. ``machine`` gives it a host name and a process table of its own, as a container has them.

    ``prepare`` is called before each start; ``quit_signal`` asks it to end in order.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    user: str | None = None
    machine: bool = False
    quit_signal: int = signal.SIGKILL
    prepare: Callable[[], None] = field(default=lambda: None)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output is added to the log."""
        self.prepare()
        words = [*_own_machine(self.name), *self.command] if self.machine and machines_can_be_made() else self.command
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                cwd="/",
                user=self.user,
                start_new_session=True,
            )

    @property
    def runs(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def has(self, pid: int) -> bool:
        """Whether a process of this host's own table belongs to it."""
        return any(process.pid == pid for process in self._family())

    def kill(self) -> None:
        """SIGKILL to the component and all its children at once, as when a machine loses its power."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order where it has an order to keep, else at once."""
        if self.runs and self.quit_signal != signal.SIGKILL and self.process is not None:
            self.process.send_signal(self.quit_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        self.process.wait()

    def _family(self) -> list[psutil.Process]:
        """The leader first, so that it starts no new child; then its descendants and whoever is left in its session."""
        if self.process is None:
            return []
        found: dict[int, psutil.Process] = {}
        with contextlib.suppress(psutil.Error):
            leader = psutil.Process(self.process.pid)
            found = {process.pid: process for process in [leader, *leader.children(recursive=True)]}
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if os.getsid(process.pid) == self.process.pid:
                    found.setdefault(process.pid, process)
        return list(found.values())


@cache
def machines_can_be_made() -> bool:
    """Whether this user may make namespaces; else all parts share the name and the process table of this host."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_own_machine("probe"), "true"], capture_output=True, check=False).returncode == 0


def _own_machine(name: str) -> list[str]:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    isolate = ["unshare", *user, "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
    return [*isolate, "sh", "-c", 'hostname "$0" && exec "$@"', name]
