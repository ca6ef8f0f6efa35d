"""The processes of the demo: each leads a session of its own, is written down when it starts, and can be ended later.

A process is known by its id and its start time, so that an id which the system has given to a stranger since then is
left alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from demo.places import LOGS, PROCESSES, STATE

SAME_START = 2.0
"""Seconds that two readings of one start time may differ by."""


@dataclass(frozen=True)
class Started:
    """One session leader. ``stop_signal`` asks it to end in order; ``alone``: ask the leader, not its whole group."""

    name: str
    pid: int
    started: float
    stop_signal: int = signal.SIGTERM
    alone: bool = False

    @property
    def log(self) -> Path:
        """Its output."""
        return LOGS / f"{self.name}.log"

    def leader(self) -> psutil.Process | None:
        """The process itself if it still runs."""
        process = self.process()
        return process if process is not None and _runs(process) else None

    def process(self) -> psutil.Process | None:
        """The process if it exists at all, be it as a zombie; None too where a stranger has its id now."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) < SAME_START:
                return process
        return None


def recorded() -> list[Started]:
    """What earlier calls have started, oldest first."""
    if not PROCESSES.exists():
        return []
    return [Started(**row) for row in json.loads(PROCESSES.read_text())]


def spawn(
    name: str,
    command: Sequence[str | Path],
    env: Mapping[str, str],
    *,
    user: str | None = None,
    cwd: Path = STATE,
    stop_signal: int = signal.SIGTERM,
    alone: bool = False,
) -> Started:
    """Start ``command`` in a session of its own, its output in ``.demo/logs/<name>.log``, and write it down."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            user=user,
            start_new_session=True,
        )
    started = Started(name, process.pid, psutil.Process(process.pid).create_time(), stop_signal, alone)
    _write([*recorded(), started])
    return started


def stop_all(rounds: Iterable[tuple[float, int | None]] = ((20.0, None), (5.0, signal.SIGKILL))) -> int:
    """End every recorded process and all of its session; the count of processes that were ended.

    Airflow and the API are asked at once, PostgreSQL after them, so that nobody loses a database he still writes to.
    Each round: seconds to wait, and the signal (None: the process's own).
    """
    ended = 0
    processes = recorded()
    for group in ([one for one in processes if not one.alone], [one for one in processes if one.alone]):
        known = {process.pid: process for one in group for process in _members(one)}
        ended += len(known)
        for seconds, number in rounds:
            left = [process for process in known.values() if _runs(process)]
            if not left:
                break
            _ask(group, left, number)
            _wait(left, seconds)
            known |= {process.pid: process for one in group for process in _members(one)}
    PROCESSES.unlink(missing_ok=True)
    return ended


def _ask(group: list[Started], left: list[psutil.Process], number: int | None) -> None:
    leaders = {one.pid: one for one in group}
    for process in left:
        one = leaders.get(process.pid)
        if number is None and one is None and group[0].alone:
            continue
        with suppress(psutil.Error):
            process.send_signal(number or (one.stop_signal if one else signal.SIGTERM))


def _wait(left: list[psutil.Process], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(_runs(process) for process in left):
        time.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _members(one: Started) -> list[psutil.Process]:
    """The leader, its descendants, and whoever else is in its session (orphans of a leader that died)."""
    leader = one.process()
    if leader is None and psutil.pid_exists(one.pid):
        return []
    found = {}
    if leader is not None:
        with suppress(psutil.Error):
            found = {process.pid: process for process in [leader, *leader.children(recursive=True)]}
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == one.pid:
                found[process.pid] = process
    return [process for process in found.values() if _runs(process)]


def _write(processes: list[Started]) -> None:
    STATE.mkdir(exist_ok=True)
    aside = PROCESSES.with_suffix(f".{time.monotonic_ns()}")
    aside.write_text(json.dumps([asdict(one) for one in processes], indent=1))
    aside.replace(PROCESSES)
