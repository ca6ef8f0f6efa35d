"""A workshop for whole-program tests: a folder with integrations, inboxes and a home; the real command as a process."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from warm_command import WarmCommand


@dataclass
class Workshop:
    """``run`` starts the real ``dragoman`` in a process of its own, with this folder as its whole world."""

    folder: Path
    connections: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("integrations", "inbox", "out", "home"):
            (self.folder / name).mkdir(exist_ok=True)
        self.connections.setdefault("inbox", f"file://{self.folder / 'inbox'}")
        self.connections.setdefault("out", f"file://{self.folder / 'out'}")
        self.connections.setdefault("lite", f"sqlite:///{self.folder / 'out' / 'lite.db'}")
        self.connections.setdefault("duck", f"duckdb:///{self.folder / 'out' / 'duck.duckdb'}")

    def integration(self, name: str, text: str) -> Path:
        """Write an integration's YAML."""
        path = self.folder / "integrations" / f"{name}.yaml"
        path.write_text(text)
        return path

    def environment(self, failpoint: str = "", **more: str) -> dict[str, str]:
        """What the command sees."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "DRAGOMAN"))}
        env |= {f"AIRFLOW_CONN_{name.upper()}": uri for name, uri in self.connections.items()}
        env |= {"DRAGOMAN_HOME": str(self.folder / "home"), "DRAGOMAN_INTEGRATIONS": str(self.folder / "integrations")}
        if failpoint:
            env["DRAGOMAN_FAILPOINT"] = failpoint
        return env | more

    def run(
        self, *words: str, failpoint: str = "", timeout: float = 60, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """The command's exit code and output."""
        return warm_command().run(list(words), self.environment(failpoint, **more), self.folder, timeout)

    def report(self, name: str, *, expect: int = 0, failpoint: str = "") -> dict[str, Any]:
        """``run NAME --json``, its exit code checked."""
        done = self.run("run", name, "--json", failpoint=failpoint)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)


@cache
def warm_command() -> WarmCommand:
    """One for all tests of this process; it ends with it."""
    command = WarmCommand()
    atexit.register(command.close)
    return command
