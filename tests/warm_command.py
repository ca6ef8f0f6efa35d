"""The real ``dragoman`` command in a process of its own, forked from a warm one, so that it starts in milliseconds.

A helper process imports the program once and then forks a child for each command that it is told on its standard
input. A child sees its own environment, folder and output files and ends by its own exit code or signal, as the command
does; the helper itself runs nothing, so a child begins as a fresh process would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

WARM = [
    "dragoman.cli.run",
    "dragoman.cli.rejects",
    "dragoman.cli.decide",
    "dragoman.cli.preview",
    "dragoman.formats.delimited",
    "dragoman.formats.json_array",
    "dragoman.connectors.files.source",
    "dragoman.connectors.files.destination",
    "dragoman.connectors.sqlite.destination",
    "dragoman.connectors.duckdb.destination",
    "dragoman.connectors.postgres.destination",
    "dragoman.connectors.http.source",
    "dragoman.language.compile",
    "dragoman.language.cache",
]


class WarmCommand:
    """Starts commands; ``run`` waits for one, and several may run at once."""

    def __init__(self) -> None:
        self._helper = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._lock = threading.Lock()
        self._ask({"ready": True})

    def run(self, words: list[str], env: dict[str, str], cwd: Path, timeout: float) -> subprocess.CompletedProcess[str]:
        """The command's exit code (negative for a signal) and output."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / "out", Path(folder) / "err"
            order = {"words": words, "env": env, "cwd": str(cwd), "out": str(out), "err": str(err), "timeout": timeout}
            code = self._ask(order)["code"]
            if code is None:
                raise subprocess.TimeoutExpired(words, timeout, out.read_text(), err.read_text())
            return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())

    def close(self) -> None:
        """End the helper."""
        assert self._helper.stdin is not None
        self._helper.stdin.close()
        self._helper.wait(10)

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        with self._lock:
            self._helper.stdin.write(json.dumps(order) + "\n")
            self._helper.stdin.flush()
            return json.loads(self._helper.stdout.readline())


def serve() -> None:
    """The helper: fork a child for each order, and tell its end."""
    import importlib

    for module in WARM:
        importlib.import_module(module)
    for line in sys.stdin:
        order = json.loads(line)
        answer = {"code": 0} if "ready" in order else {"code": _child(order)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _child(order: dict[str, Any]) -> int | None:
    pid = os.fork()
    if pid == 0:
        _become(order)
    killer = threading.Timer(order["timeout"], os.kill, (pid, 9))
    killer.start()
    _pid, status = os.waitpid(pid, 0)
    late = not killer.is_alive()
    killer.cancel()
    killer.join()
    return None if late else os.waitstatus_to_exitcode(status)


def _become(order: dict[str, Any]) -> None:
    from dragoman.cli.main import main
    from dragoman.core import failpoints

    code = 70
    try:
        os.environ.clear()
        os.environ.update(order["env"])
        os.chdir(order["cwd"])
        for number, path in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(path, flags), number)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        failpoints.arm(os.environ.get("DRAGOMAN_FAILPOINT", ""))
        _set_clock(float(os.environ.get("TEST_CLOCK_OFFSET", "0")))
        code = main(order["words"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _set_clock(seconds: float) -> None:
    """A machine whose clock is so many seconds ahead."""
    from datetime import datetime, timedelta

    from dragoman.core import clock

    true = clock.now

    def now() -> datetime:
        return true() + timedelta(seconds=seconds)

    clock.now = now


if __name__ == "__main__":
    serve()
