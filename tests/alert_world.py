"""Integrations with alerts, run in this process, whose callbacks are called as Airflow calls them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from dragoman.core.errors import DragomanError
from dragoman.language import load_flow
from dragoman.ledger.ledger import open_ledger
from dragoman.orchestration.alerts import RunAlerts
from dragoman.orchestration.deadline import deadline_of, note_missed
from dragoman.orchestration.notifiers import webhook_notifier
from dragoman.steps.run import run
from dragoman.steps.workplace import open_workplace
from receivers import Hook, Mailbox, hook, mailbox

__all__ = ["BAD", "FLOW", "GOOD", "World", "mails", "posts", "world"]

FLOW = """\
integration: {name}
source: {{connector: files, connection: inbox, path: "{name}.csv", reread: always}}
translate: {{fields: {{id: {{from: id, type: integer, required: true}}}}}}
deliver: {{connector: files, connection: out, path: "{name}.csv", mode: replace}}
policy: {{deadline: 30m, max_rejects: {limit}}}
alerts:
  - {{on: [failed, held, in_doubt, rejects, late, recovered], notifier: email, connection: ops_mail, to: [ops@example.com]}}
  - {{on: [failed, held, in_doubt, rejects, late, recovered], notifier: webhook, connection: ops_hook}}
"""
BAD = 'id\n"never closed\n'
GOOD = "id\n1\n2\n"


class World:
    """Runs integrations and calls their callbacks as Airflow does: each of them twice."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def flow(self, name="orders", limit=5):
        path = self.folder / f"{name}.yaml"
        path.write_text(FLOW.format(name=name, limit=limit))
        return load_flow(path)

    def run(self, flow, content=None, times=2, dag_run_id=""):
        """One DAG run; returns the error that made it red."""
        if content is not None:
            (self.folder / "inbox" / f"{flow.integration}.csv").write_text(content)
        self.count += not dag_run_id
        context = {"run_id": dag_run_id or f"manual__{self.count}", "dag_run": None}
        place = open_workplace(actor="test")
        error, done = None, {}
        try:
            done = run(flow, place, trigger=f"{flow.integration}/{context['run_id']}")
        except DragomanError as caught:
            error = caught
        finally:
            place.close()
        for _ in range(times):
            if error is None:
                task = SimpleNamespace(task_id="run", dragoman_run_id=done["run_id"])
                RunAlerts(flow).succeeded({**context, "task": task})
            else:
                RunAlerts(flow).failed({**context, "exception": error})
        return error

    def late(self, flow, dag_run_id):
        told = deadline_of(flow, 1800.0).callback.kwargs
        context = {"dag_run": {"dag_id": flow.integration, "dag_run_id": dag_run_id}, "deadline": {"id": "x"}}
        asyncio.run(note_missed(context=json.loads(json.dumps(context)), **json.loads(json.dumps(told))))

    def ledger(self):
        return open_ledger(f"sqlite:///{self.folder / 'home' / 'ledger.db'}")


@pytest.fixture
def mails() -> Iterator[Mailbox]:
    with mailbox() as box:
        yield box


@pytest.fixture
def posts() -> Iterator[Hook]:
    with hook() as found:
        yield found


@pytest.fixture
def world(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    connect: Callable[[str, str], None],
    mails: Mailbox,
    posts: Hook,
) -> World:
    for name in ("inbox", "out", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    connect("inbox", f"file://{tmp_path / 'inbox'}")
    connect("out", f"file://{tmp_path / 'out'}")
    connect("ops_mail", mails.connection)
    connect("ops_hook", posts.connection)
    monkeypatch.setattr(webhook_notifier, "PAUSE", 0.01)
    return World(tmp_path)
