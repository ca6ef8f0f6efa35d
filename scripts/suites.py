"""Run test suites one after the other and hold each against its budget of seconds.

A suite over its budget is said so; in continuous integration (``CI`` is set) one over twice its budget fails, so that
the habit of quick tests cannot rot. Exit code 0: every suite passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
BUDGETS = {"unit": 90.0, "contract": 120.0, "faults": 360.0, "airflow": 240.0, "pack": 150.0, "cluster": 180.0}
WHOLE = {"matrix": ("tests/faults", 3600.0), "fuzz": ("tests/faults/test_state_machine.py", 1800.0)}
"""What is tried whole where somebody asks for it, and as a cut in its suite: its tests, and its budget."""
PARTS = {"tests/faults": 2}
"""How many processes share the tests of a folder, side by side."""
NO_TESTS = 5


def budget(suite: str) -> float:
    """Its seconds."""
    return WHOLE[suite][1] if suite in WHOLE else BUDGETS[suite]


def run(suite: str) -> tuple[str, float, bool]:
    """The suite's verdict in words, its seconds, and whether it passed."""
    tests, _budget = WHOLE.get(suite, (f"tests/{suite}", 0.0))
    parts = PARTS.get(tests, 1)
    with tempfile.TemporaryDirectory(prefix=f"dragoman-{suite}-") as scratch:
        began = time.monotonic()
        started = [
            _started(suite, tests, f"{number}/{parts}", Path(scratch) / str(number)) for number in range(1, parts + 1)
        ]
        codes = []
        for process, output in started:
            codes.append(process.wait())
            if output is not None:
                sys.stdout.write(output.read_text(errors="replace"))
                sys.stdout.flush()
        seconds = time.monotonic() - began
    code = next((code for code in codes if code), 0)
    if code == NO_TESTS:
        return "no test was found", seconds, False
    if code:
        return "failed", seconds, False
    if seconds > 2 * budget(suite):
        return "passed, over twice its budget", seconds, not os.environ.get("CI")
    return "passed" if seconds <= budget(suite) else "passed, over its budget", seconds, True


def _started(suite: str, tests: str, part: str, scratch: Path) -> tuple[subprocess.Popen[bytes], Path | None]:
    """A part of a suite on its way; where others run beside it, its output goes to a file."""
    scratch.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DRAGOMAN_")}
    environment |= {"AIRFLOW_HOME": f"{scratch}/airflow", "DRAGOMAN_HOME": f"{scratch}/dragoman"}
    environment |= {"DRAGOMAN_MATRIX": "full"} if suite in WHOLE else {}
    command = [sys.executable, "-m", "pytest", tests, "--part", part, "--durations=5", "--durations-min=1.0"]
    said: dict[str, Any] = {"stdin": subprocess.DEVNULL, "cwd": TOP, "env": environment}
    if part == "1/1":
        return subprocess.Popen(command, **said), None
    output = scratch / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **said)
    return process, output


def main(suites: list[str]) -> int:
    """Run the named suites, all of them even if one fails."""
    results = {}
    for suite in suites:
        sys.stdout.write(f"== {suite}\n")
        sys.stdout.flush()
        results[suite] = run(suite)
    sys.stdout.write("\n")
    for suite, (verdict, seconds, _) in results.items():
        sys.stdout.write(f"{suite:<10}{seconds:6.1f} s of {budget(suite):.0f} s  {verdict}\n")
    return 0 if all(passed for *_, passed in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(BUDGETS)))
