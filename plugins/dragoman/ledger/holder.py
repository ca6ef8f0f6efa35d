"""Who holds a lease: host, process and start time, and whether that process still lives."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Holder", "is_dead", "this_process"]


_EXITING = 0x4
"""Linux's PF_EXITING: a killed process is still listed while the kernel takes it down."""


@dataclass(frozen=True)
class Holder:
    """``machine`` tells machines and containers of one name apart; ``started`` tells a process from its pid's next."""

    host: str
    machine: str
    pid: int
    started: str


def this_process() -> Holder:
    """The holder that this process is."""
    pid = os.getpid()
    return Holder(host=socket.gethostname()[:255], machine=_machine(), pid=pid, started=_started(pid) or "unknown")


def is_dead(holder: Holder) -> bool:
    """Whether the holder is a process of this machine that has ended; False where this cannot be known."""
    if holder.machine != _machine():
        return False
    return _started(holder.pid) != holder.started


@cache
def _machine() -> str:
    """Boot and pid namespace: within one such pair a pid means one process. Else the host and its network card."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()}/{uuid.getnode():x}"[:255]


def _started(pid: int) -> str:
    """When the process started, in the system's own words; empty where it has ended (a zombie has)."""
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return ""
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything; fields are those of proc(5)
        state, flags, started = fields[0], int(fields[6]), fields[19]
        return "" if state in {"Z", "X"} or flags & _EXITING else started
    ps = shutil.which("ps") or "ps"
    told = subprocess.run([ps, "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = told.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()
