"""Arrow goes on without pandas until pandas is asked for."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
import dragoman.core.batch
import pyarrow as pa
table = pa.table({"a": pa.array([1, 2, None]), "b": ["x", "y", "z"]})
table.to_pylist(), table.take(pa.array([0]))
assert "pandas" not in sys.modules
frame = table.to_pandas()
assert "pandas" in sys.modules and list(frame["b"]) == ["x", "y", "z"]
assert pa.Table.from_pandas(frame).num_rows == 3
assert pa.array(frame["b"]).to_pylist() == ["x", "y", "z"]
"""


def test_pandas_is_imported_only_when_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
