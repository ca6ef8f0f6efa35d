"""``docs/testing.md``: its first test is run as it stands there, and its tables name every fault and every finding."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.testing.checker.verdict import KINDS
from dragoman.testing.faults import LIST_FAULTS, TARGET_FAULTS

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()


def test_the_first_test_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "orders.csv").write_text("id\n" + "".join(f"{number}\n" for number in range(100)))
    folder = tmp_path / "integrations"
    folder.mkdir()
    (folder / "orders.yaml").write_text(
        "integration: orders\n"
        "source: {connector: files, connection: inbox, path: orders.csv}\n"
        "translate: {fields: {id: {from: id, type: integer}}}\n"
        "deliver: {connector: http, connection: erp, path: /orders, key: [id], idempotency: Idempotency-Key}\n"
    )
    test = re.search(r"```python\n(import os.*?)```", PAGE, flags=re.DOTALL)
    assert test is not None
    (tmp_path / "test_it.py").write_text(test[1])
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "DRAGOMAN"))]:
        monkeypatch.delenv(name)
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DRAGOMAN_INTEGRATIONS": str(folder),
        "AIRFLOW_CONN_INBOX": f"file://{tmp_path}",
    }
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_fault_and_every_finding_has_its_line() -> None:
    named = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, flags=re.MULTILINE))
    for name, what in {**TARGET_FAULTS, **LIST_FAULTS, **KINDS}.items():
        assert named.get(name) == what
