"""The import contracts of ``pyproject.toml`` hold."""

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[3]


def test_import_contracts_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "0 broken" in done.stdout
