"""The three sample integrations give the figures that the demo promises, with the real command and real servers."""

import json
import os
import subprocess
import sys

import pytest

from demo import story


@pytest.fixture
def world(tmp_path, monkeypatch, postgres):
    """The demo's folders, connections and API, without Airflow; gives a function that runs one integration."""
    for name, path in {"API_DATA": "orders.json", "OUT": "out", "INBOX": "inbox"}.items():
        monkeypatch.setattr(story, name, tmp_path / path)
    story.lay_out()
    command = [sys.executable, "-m", "dragoman.testing.sample_api", "--data", str(tmp_path / "orders.json")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    connections = story.connections(postgres, server.stdout.readline().strip())
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "DRAGOMAN"))}
    env |= {f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()}
    env |= {"DRAGOMAN_HOME": str(tmp_path / "home")}

    def run(name):
        words = [sys.executable, "-m", "dragoman.cli", "run", name, "--json"]
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    yield run
    server.kill()
    server.wait(10)


def test_every_run_of_the_demo_is_as_it_says(world, tmp_path):
    for number, group in enumerate(story.ROUNDS):
        if number == 1:
            story.next_day()
        for expected in group:
            assert expected.differences(world(expected.integration)) == []
    lines = (tmp_path / "out" / "order_report.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + story.ROUNDS[-1][0].delivered
