"""Ending what the demo started: stubborn processes, orphans, and strangers that must be left alone."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from demo import processes

ROUNDS = ((0.5, None), (5.0, signal.SIGKILL))
STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    if "leave" in sys.argv:
        os._exit(0)
signal.pause()
"""


@pytest.fixture
def state(tmp_path, monkeypatch):
    for name, value in {"STATE": tmp_path, "LOGS": tmp_path / "logs", "PROCESSES": tmp_path / "processes.json"}.items():
        monkeypatch.setattr(processes, name, value)
    return tmp_path


def start(state, *words):
    started = processes.spawn("stubborn", [sys.executable, "-c", STUBBORN, *words], os.environ, cwd=state)
    log = state / "logs" / "stubborn.log"
    while "ready" not in log.read_text():
        assert started.process() is not None
    return started


def session(pid):
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.Error):
            continue
    return found


def test_a_process_that_ignores_the_signal_is_killed_with_its_children(state):
    started = start(state)
    assert len(session(started.pid)) == 2
    assert processes.stop_all(ROUNDS) == 2
    assert session(started.pid) == []
    assert processes.recorded() == []


def test_children_of_a_leader_that_has_gone_are_ended(state):
    started = start(state, "leave")
    psutil.Process(started.pid).wait(5)
    assert len(session(started.pid)) == 1
    processes.stop_all(ROUNDS)
    assert session(started.pid) == []


def test_a_stranger_with_a_recorded_id_is_left_alone(state):
    stranger = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    row = {"name": "old", "pid": stranger.pid, "started": psutil.Process(stranger.pid).create_time() - 100}
    (state / "processes.json").write_text(json.dumps([row]))
    assert processes.stop_all(ROUNDS) == 0
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_stopping_with_nothing_started_is_no_fault(state):
    assert processes.stop_all(ROUNDS) == 0
