"""A full disk under the ledger, and kills between its transactions."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.core.errors import RetriableError
from dragoman.ledger.ledger import open_ledger

HALF_A_RUN = """
import os, signal, sys
from dragoman.ledger import runs
from dragoman.ledger.ledger import open_ledger
ledger = open_ledger(sys.argv[1])
lease = ledger.take_lease("orders")
run = ledger.open_run("orders", lease.token, "d")
ledger.seal_node(run.run_id, lease.token, "source", "source", {"read": 1}, cursor={"id": "7"})
move = runs.commit_positions

def moved_and_killed(*args):
    move(*args)
    os.kill(os.getpid(), signal.SIGKILL)

runs.commit_positions = moved_and_killed
ledger.close_run(run.run_id, lease.token, "done", {}, move_cursors=True)
"""


def test_a_full_disk_is_retriable_and_nothing_is_lost(small_disk: Path) -> None:
    ledger = open_ledger(f"sqlite:///{small_disk}/l.db")
    lease = ledger.take_lease("orders")
    run = ledger.open_run("orders", lease.token, "d")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(os.urandom(4096))
    with pytest.raises(RetriableError) as caught:
        for number in range(1000):
            ledger.audit("ada", "note", run.run_id, f"{number}" * 1000)
    assert caught.value.code == "ledger.disk_full"
    assert "free space" in caught.value.next_step
    noted = len(ledger.audits(run.run_id))
    filler.unlink()
    ledger.audit("ada", "note", run.run_id, "there is room again")
    assert len(ledger.audits(run.run_id)) == noted + 1
    assert ledger.run(run.run_id) == run
    ledger.close()


def test_a_kill_within_the_closing_transaction_moves_nothing(ledger_url: str) -> None:
    killed = subprocess.run([sys.executable, "-c", HALF_A_RUN, ledger_url], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ledger = open_ledger(ledger_url)
    lease = ledger.take_lease("orders")
    assert ledger.cursor("orders", "source") is None
    run = ledger.unfinished_run("orders")
    assert run is not None
    assert run.state == "open"
    assert ledger.adopt_run(run.run_id, lease.token).tries == 2
    ledger.close_run(run.run_id, lease.token, "done", {}, move_cursors=True)
    assert ledger.cursor("orders", "source") == {"id": "7"}
    ledger.close()
