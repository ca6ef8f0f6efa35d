"""A connection that is down is one incident, however many integrations fail for it; its end is told once too."""

from __future__ import annotations

import socket
import sqlite3

import pytest

from alert_world import World, mails, posts, world
from dragoman.core.errors import RetriableError
from dragoman.language import load_flow
from dragoman.orchestration.incidents import end_incidents
from receivers import Hook, Mailbox

__all__ = ["mails", "posts", "world"]

FLOW = """\
integration: {name}
source: {{connector: files, connection: inbox, path: "{name}.csv", reread: always}}
deliver: {{connector: postgres, connection: dwh, table: "public.{name}", mode: upsert, key: [id]}}
alerts:
  - {{on: [failed{more}], notifier: webhook, connection: ops_hook}}
  - {{on: [failed], notifier: email, connection: ops_mail, to: [{name}@example.com]}}
"""


def make(world: World, name: str, more: str = ", recovered"):
    path = world.folder / f"{name}.yaml"
    path.write_text(FLOW.format(name=name, more=more))
    return load_flow(path)


def fail(world: World, flow) -> str:
    error = world.run(flow, "id\n1\n")
    assert isinstance(error, RetriableError)
    return error.code


@pytest.fixture
def down(connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_BREAKER", "failures=2,pause=600")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    connect("dwh", f"postgresql://dragoman@127.0.0.1:{port}/none")


def test_one_notice_per_receiver_while_it_is_open_and_one_when_it_closes(
    world: World, posts: Hook, mails: Mailbox, down: None, connect, postgres: str
) -> None:
    flows = [make(world, name) for name in ("a", "b", "c", "d")]
    codes = [fail(world, flow) for flow in flows]
    assert codes == ["postgres.unreachable"] * 2 + ["connection.circuit_open"] * 2
    assert [fail(world, flow) for flow in flows] == ["connection.circuit_open"] * 4
    assert posts.events() == [("a", "failed"), ("connection dwh", "failed")]
    told = posts.posts[1].json
    assert "2 failures in a row" in told["reason"]
    assert "[postgres.unreachable]" in told["reason"]
    assert told["next_step"].startswith("dragoman connectors test dwh")
    assert "Circuit: open" in told["text"]
    # each of the four addresses is a receiver of its own, and the first failed before there was an incident
    assert sorted(mails.subjects()) == ["a has failed", *["connection dwh has failed"] * 4]

    connect("dwh", postgres)
    with sqlite3.connect(world.folder / "home" / "ledger.db") as db:
        db.execute("UPDATE dragoman_breaker SET until = 0")
    assert [world.run(flow) for flow in flows] == [None] * 4
    assert posts.events()[2:] == [("connection dwh", "recovered"), ("a", "recovered")] or posts.events()[2:] == [
        ("a", "recovered"),
        ("connection dwh", "recovered"),
    ]
    assert len(mails.subjects()) == 5  # the addresses did not ask to hear of recoveries


def test_the_next_incident_is_told_anew(world: World, posts: Hook, down: None, connect, postgres: str) -> None:
    flows = [make(world, name, "") for name in ("a", "b")]
    for _ in range(2):
        for flow in (*flows, flows[0]):
            fail(world, flow)
        ledger = world.ledger()
        ledger.reset_circuit("dwh", "ada")
        end_incidents(ledger)
        ledger.close()
    assert posts.events().count(("connection dwh", "failed")) == 2


def test_what_fails_for_another_reason_meanwhile_is_told_as_ever(world: World, posts: Hook, down: None) -> None:
    flow = make(world, "a")
    fail(world, flow)
    fail(world, make(world, "b"))
    assert world.run(make(world, "c"), 'id\n"never closed\n').code == "csv.truncated"
    assert ("c", "failed") in posts.events()
