"""Programs as processes of their own: run to the end, or killed with everything they started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ended", "run"]

_LONGEST = 240.0
_TAIL = 20_000


@dataclass(frozen=True)
class Ended:
    """How a process ended. ``killed``: by our hand, before its own end."""

    code: int
    seconds: float
    killed: bool
    said: str

    @property
    def green(self) -> bool:
        """Whether whoever started it would take it for a success."""
        return self.code == 0


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    kill_after: float | None = None,
    kill_when: Callable[[], bool] | None = None,
) -> Ended:
    """Run a command. Its process group gets SIGKILL after so many seconds, or as soon as ``kill_when`` holds."""
    begun = time.monotonic()
    log = folder / "last.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            list(command), env=dict(environment), cwd=folder, stdout=out, stderr=out, start_new_session=True
        )
        killed = False
        try:
            if kill_when is None:
                process.wait(timeout=_LONGEST if kill_after is None else kill_after)
            else:
                _wait_for(process, kill_when)
        except subprocess.TimeoutExpired:
            killed = True
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = log.read_text(errors="replace")
    return Ended(process.returncode, time.monotonic() - begun, killed, text[-_TAIL:])


def _wait_for(process: subprocess.Popen[bytes], due: Callable[[], bool]) -> None:
    """Until the process ends; raises ``TimeoutExpired`` once it is due to be killed."""
    until = time.monotonic() + _LONGEST
    while process.poll() is None:
        if due() or time.monotonic() > until:
            raise subprocess.TimeoutExpired(process.args, 0)
        time.sleep(0.01)
