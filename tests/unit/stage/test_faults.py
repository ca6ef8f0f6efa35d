"""A full disk and a kill at each failpoint of the stage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from dragoman.core.errors import RetriableError
from dragoman.stage.store import Stage

SEAL_THREE = """
import sys, pyarrow as pa
from dragoman.stage.store import Stage
run = Stage(sys.argv[1]).run("orders", "r1")
for seq in range(3):
    print(run.seal("source", seq, pa.table({"n": [seq]})).path, "fsspec" in sys.modules, flush=True)
"""


def test_a_full_disk_is_retriable_and_leaves_nothing_half_written(small_disk: Path) -> None:
    run = Stage(str(small_disk / "stage")).run("orders", "r1")
    first = run.seal("source", 0, pa.table({"n": [1]}))
    big = pa.table({"noise": [os.urandom(3_000_000)]})
    with pytest.raises(RetriableError) as caught:
        run.seal("source", 1, big)
    assert caught.value.code == "stage.disk_full"
    assert str(small_disk) in caught.value.message
    assert "free space" in caught.value.next_step
    assert [entry.name for entry in (small_disk / "stage/orders/r1/source").iterdir()] == [
        first.path.rpartition("/")[2]
    ]
    assert run.seal("source", 1, pa.table({"n": [2]})).rows == 1


@pytest.mark.parametrize(("failpoint", "named"), [("extract.batch.written", 1), ("extract.batch.renamed", 2)])
def test_a_kill_leaves_whole_files_or_none(tmp_path: Path, failpoint: str, named: int) -> None:
    environment = {**os.environ, "DRAGOMAN_FAILPOINT": f"{failpoint}:2:kill"}
    killed = subprocess.run(
        [sys.executable, "-c", SEAL_THREE, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    path, loads_fsspec = killed.stdout.split()
    assert loads_fsspec == "False"
    folder = tmp_path / "orders/r1/source"
    assert len(list(folder.glob("[0-9]*.arrow"))) == named
    run = Stage(str(tmp_path)).run("orders", "r1")
    again = [run.seal("source", seq, pa.table({"n": [seq]})) for seq in range(3)]
    assert again[0].path == path
    assert [run.load(sealed.path, sealed.sha256)["n"].to_pylist() for sealed in again] == [[0], [1], [2]]
    assert len(list(folder.glob("[0-9]*.arrow"))) == 3
