"""One real scheduler: an integration that waits for another, and a backfill from the REST API as from the UI."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from airflow_cluster import Cluster, cluster, until
from airflow_session import SCRATCH

FIRST = """\
integration: first
source: {connector: files, connection: inbox, path: "orders*.csv", types: {id: integer}}
deliver: {connector: postgres, connection: erp, table: public.orders, mode: upsert, key: [id]}
policy: {tasks: single}
"""
SECOND = """\
integration: second
schedule: {after: [first]}
source: {connector: postgres, connection: erp, table: public.orders}
deliver: {connector: postgres, connection: erp, table: public.copies, mode: upsert, key: [id]}
policy: {tasks: single}
"""
RED = """\
integration: red
source: {connector: files, connection: inbox, path: missing.csv}
deliver: {connector: files, connection: inbox, path: out/red.csv}
policy: {tasks: single}
"""
UNREACHED = SECOND.replace("second", "unreached").replace("[first]", "[red]").replace("copies", "nothing")
HISTORY = """\
integration: history
schedule: "0 5 1 * *"
source: {connector: postgres, connection: erp, table: public.events, cursor: {column: seen, id: id}}
deliver: {connector: postgres, connection: erp, table: public.kept, mode: upsert, key: [id]}
policy: {tasks: single}
"""
EVENTS = {
    1: "2024-01-01 04:59",
    2: "2024-01-01 05:00",
    3: "2024-01-31 12:00",
    4: "2024-02-01 05:00",
    5: "2024-03-01 05:00",
}


@dataclass
class World:
    airflow: Cluster
    url: str
    ledger: Path

    def get(self, path: str) -> dict:
        """Airflow on SQLite answers 500 while another process writes."""
        answers = (self.airflow.call("GET", path) for _ in range(20))
        return next(answer for answer in answers if answer.status_code == 200).json()

    def runs(self, dag_id: str) -> list[dict]:
        return self.get(f"/api/v2/dags/{dag_id}/dagRuns?order_by=run_after")["dag_runs"]

    def trigger(self, dag_id: str) -> str:
        made = self.airflow.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None}).json()
        return self.ended(dag_id, made["dag_run_id"])

    def ended(self, dag_id: str, run_id: str) -> str:
        def state() -> str:
            answer = self.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"]
            return answer if answer in {"success", "failed"} else ""

        return until(state, 120, f"{dag_id} {run_id} has ended")

    def events(self, name: str) -> list[dict]:
        found = self.get("/api/v2/assets/events?order_by=timestamp")["asset_events"]
        return [event["extra"] for event in found if event["name"] == f"dragoman://{name}"]

    def backfill(self, dag_id: str, start: str, end: str, **more: object) -> None:
        """From its order to the end of all its runs; then it is ended, which Airflow itself does twice a minute."""
        body = {"dag_id": dag_id, "from_date": start, "to_date": end, "max_active_runs": 2, **more}
        made = self.airflow.call("POST", "/api/v2/backfills", body)
        assert made.status_code == 200, made.text

        def ended() -> bool:
            states = [run["state"] for run in self.runs(dag_id) if run["run_type"] == "backfill"]
            assert "failed" not in states
            return bool(states) and set(states) == {"success"}

        until(ended, 240, "all runs of the backfill are green")
        self.airflow.call("PUT", f"/api/v2/backfills/{made.json()['id']}/cancel")

    def closed(self, kind: str) -> list[tuple[tuple[str, str] | None, str, str]]:
        """Interval, state and trigger of the closed runs of history, oldest first."""
        with sqlite3.connect(self.ledger) as ledger:
            query = (
                "select interval, state, trigger from dragoman_run where integration = 'history' and kind = ? "
                "and closed_at is not null order by json_extract(interval, '$[0]'), closed_at"
            )
            return [(json.loads(row[0]), row[1], row[2]) for row in ledger.execute(query, [kind])]

    def cursor(self) -> str:
        with sqlite3.connect(self.ledger) as ledger:
            return str(ledger.execute("select value from dragoman_cursor where integration = 'history'").fetchone()[0])

    def sql(self, text: str) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as server:
            answer = server.execute(text)
            return answer.fetchall() if answer.description else []


@pytest.fixture(scope="module")
def world(airflow_db, postgres_server, tmp_path_factory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("chaining")
    integrations, inbox, url = SCRATCH / "integrations", folder / "inbox", postgres_server.fresh_database()
    shutil.rmtree(integrations, ignore_errors=True)
    for made in (integrations, inbox):
        made.mkdir()
    for name, text in {
        "first": FIRST,
        "second": SECOND,
        "red": RED,
        "unreached": UNREACHED,
        "history": HISTORY,
    }.items():
        (integrations / f"{name}.yaml").write_text(text)
    (inbox / "orders1.csv").write_text("id,name\n1,one\n2,two\n3,three\n")
    home = folder / "dragoman"
    environment = {"DRAGOMAN_HOME": str(home), "AIRFLOW_CONN_INBOX": f"file://{inbox}", "AIRFLOW_CONN_ERP": url}
    try:
        with cluster(folder / "airflow", airflow_db, environment) as airflow:
            until(lambda: airflow.call("GET", "/api/v2/dags/unreached").status_code == 200, 60, "the DAGs are there")
            yield World(airflow, url, home / "ledger.db")
    finally:
        shutil.rmtree(integrations)
        postgres_server.drop_database(url)


def test_a_green_run_starts_what_waits_for_it_and_a_red_one_does_not(world):
    assert world.trigger("red") == "failed"
    assert world.trigger("first") == "success"
    started = until(lambda: world.runs("second"), 60, "second is started by first")
    assert started[0]["run_type"] == "asset_triggered"
    assert world.ended("second", started[0]["dag_run_id"]) == "success"
    assert world.sql("select count(*) from public.copies") == [(3,)]
    (event,) = world.events("first")
    assert {name: event[name] for name in ("state", "kind", "read", "delivered", "rejected", "balanced")} == {
        "state": "done",
        "kind": "live",
        "read": 3,
        "delivered": 3,
        "rejected": 0,
        "balanced": True,
    }
    assert world.events("red") == []
    assert world.runs("unreached") == []


def test_a_run_that_found_nothing_new_is_announced_with_zero_counts(world):
    before = len(world.runs("second"))
    assert world.trigger("first") == "success"
    until(lambda: len(world.runs("second")) > before, 60, "second is started once more")
    assert world.ended("second", world.runs("second")[-1]["dag_run_id"]) == "success"
    event = world.events("first")[-1]
    assert (event["state"], event["read"]) == ("nothing_new", 0)


def test_a_backfill_reads_its_data_intervals_and_leaves_the_cursor(world):
    world.sql("create table public.events (id integer primary key, seen timestamptz not null, name text)")
    for number, seen in EVENTS.items():
        world.sql(f"insert into public.events values ({number}, '{seen}Z', 'first')")
    assert world.trigger("history") == "success"
    cursor = world.cursor()
    world.sql("update public.events set name = 'mended'")
    world.sql("insert into public.events values (6, '2024-01-15 00:00Z', 'late')")
    world.backfill("history", "2024-02-01T00:00:00Z", "2024-03-01T06:00:00Z")
    january, february = (
        ("2024-01-01T05:00:00Z", "2024-02-01T05:00:00Z"),
        ("2024-02-01T05:00:00Z", "2024-03-01T05:00:00Z"),
    )
    assert [tuple(run[0]) for run in world.closed("backfill")] == [january, february]
    kept = world.sql("select id, name from public.kept order by id")
    assert kept == [(1, "first"), (2, "mended"), (3, "mended"), (4, "mended"), (5, "first"), (6, "late")]
    assert world.cursor() == cursor
    world.sql("update public.events set name = 'again' where id = 3")
    world.backfill("history", "2024-02-01T00:00:00Z", "2024-02-02T00:00:00Z", reprocess_behavior="completed")
    assert world.sql("select name from public.kept where id = 3") == [("again",)]
    assert world.cursor() == cursor
    assert {run[1] for run in world.closed("backfill")} == {"done"}
    assert [state for _, state, _ in world.closed("live")] == ["done"]
