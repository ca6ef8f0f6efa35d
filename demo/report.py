"""What came of the runs, by the ledger's own word (``dragoman runs --json``), beside what had to come."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo import story
from demo.failure import DemoError
from demo.places import BIN, ENV_FILE, OUT, TOP
from dragoman.cli.output import table

FIGURES = ("read", "delivered", "rejected", "filtered", "in_doubt")
SHOWN = 3


def show(env: Mapping[str, str]) -> bool:
    """Print the table, the first rejects and the file; whether every run is as it must be."""
    runs = {name: _json(env, "runs", name) for name in story.integrations()}
    rows, wrong = [], []
    seen: dict[str, int] = {}
    for expected in (one for group in story.ROUNDS for one in group):
        number = seen[expected.integration] = seen.get(expected.integration, 0) + 1
        history = sorted(runs[expected.integration], key=lambda run: str(run["run_id"]))
        run = history[number - 1] if len(history) >= number else None
        name = f"{expected.integration} ({number})" if number > 1 else expected.integration
        wrong += [f"{name}: {text}" for text in expected.differences(run)]
        if run is not None:
            rows.append([name, run["state"], *(run[figure] for figure in FIGURES), expected.about])
    print("\n" + table(("INTEGRATION", "STATE", *(word.upper().replace("_", " ") for word in FIGURES), ""), rows))
    print("\nread = delivered + rejected + filtered + in doubt, in every line")
    _rejects(env, "customers")
    _file()
    for text in wrong:
        print(f"not as expected: {text}")
    return not wrong


def _rejects(env: Mapping[str, str], name: str) -> None:
    rejects = _json(env, "rejects", name)
    print(f"\nThe first rejects of {name}; all of them:  . {ENV_FILE.relative_to(TOP)} && dragoman rejects {name}")
    for one in rejects[:SHOWN]:
        print(f"  {one['position']}  {one['message']}  [{one['code']}]")


def _file() -> None:
    for path in sorted(OUT.glob("*.csv")):
        print(f"\nThe file {path.relative_to(TOP)} begins:")
        for line in path.read_text(encoding="utf-8").splitlines()[:SHOWN]:
            print(f"  {line}")


def _json(env: Mapping[str, str], *words: str) -> list[dict[str, Any]]:
    command: list[str | Path] = [BIN / "dragoman", *words, "--json"]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"dragoman {' '.join(words)} failed: {done.stderr.strip()}")
    return list(json.loads(done.stdout))
