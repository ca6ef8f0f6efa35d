"""``docs/codes.md`` has a row for every error code of the package."""

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[3]


def test_the_page_of_codes_is_fresh():
    command = [sys.executable, "scripts/codes.py", "--check"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
