"""Integrations run as DAGs, inside Airflow: records arrive, figures are told, red is red."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import select

from airflow_session import SCRATCH, TOP, run_dag

ORDERS = """\
integration: orders
source: {connector: files, connection: inbox, path: "*.csv"}
translate:
  fields:
    id: {from: id, type: integer, required: true}
    name: name
    amount: {from: amount, type: "decimal(12,2)"}
"""
TO_SQLITE = "deliver: {connector: sqlite, connection: erp, table: orders, mode: upsert, key: [id]}\n"
TO_POSTGRES = "deliver: {connector: postgres, connection: erp, table: public.orders, mode: upsert, key: [id]}\n"
CSV = 'id,name,amount\n1,Ærø,12.50\n2,"",7.00\n3,,0.10\nx,bad,1\n'


@pytest.fixture(autouse=True)
def _fresh_home(airflow_db, tmp_path, monkeypatch):
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))


@pytest.fixture
def inbox(tmp_path, connect):
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "a.csv").write_text(CSV)
    connect("inbox", f"file://{folder}")
    return folder


def states(run):
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def last_event(name):
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = select(AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        return session.scalars(query.where(AssetModel.name == name).order_by(AssetEvent.id.desc())).first()


def xcom(run, task_id, key):
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(key=key, run_id=run.run_id, dag_ids=run.dag_id, task_ids=task_id)
        value = session.execute(query.with_only_columns(XComModel.value)).scalar()
    with suppress(ValueError, TypeError):  # texts stand there as they are, the rest as JSON
        return json.loads(value)
    return value


@pytest.mark.parametrize("tasks", ["steps", "single"])
def test_csv_to_sqlite(integrations, inbox, tmp_path, connect, tasks):
    connect("erp", f"sqlite:///{tmp_path / 'erp.db'}")
    (integrations / "orders.yaml").write_text(ORDERS + TO_SQLITE + f"policy: {{tasks: {tasks}}}\n")
    run = run_dag("orders")
    names = {"run"} if tasks == "single" else {"extract", "deliver", "reconcile"}
    assert states(run) == dict.fromkeys(names, "success")
    rows = sqlite3.connect(tmp_path / "erp.db").execute("select id, name, amount from orders order by id").fetchall()
    assert [(row[0], row[1]) for row in rows] == [(1, "Ærø"), (2, ""), (3, None)]
    event = last_event("dragoman://orders")
    assert {key: event[key] for key in ("state", "read", "delivered", "rejected", "balanced")} == {
        "state": "done",
        "read": 4,
        "delivered": 3,
        "rejected": 1,
        "balanced": True,
    }
    last = "run" if tasks == "single" else "reconcile"
    assert event["run_id"] == xcom(run, last, "dragoman_run_id")


def test_csv_to_postgres_and_nothing_new_the_second_time(integrations, inbox, connect, postgres):
    connect("erp", postgres)
    (integrations / "orders.yaml").write_text(ORDERS + TO_POSTGRES)
    assert set(states(run_dag("orders")).values()) == {"success"}
    with psycopg.connect(postgres) as connection:
        rows = connection.execute("select id, name, amount::text from public.orders order by id").fetchall()
    assert rows == [(1, "Ærø", "12.50"), (2, "", "7.00"), (3, None, "0.10")]
    assert set(states(run_dag("orders")).values()) == {"success"}
    assert last_event("dragoman://orders")["state"] == "nothing_new"


def test_the_log_holds_the_figures_and_no_record(integrations, inbox, tmp_path, connect, capsys):
    connect("erp", f"sqlite:///{tmp_path / 'erp.db'}")
    (integrations / "orders.yaml").write_text(ORDERS + TO_SQLITE)
    capsys.readouterr()
    run = run_dag("orders")
    said = capsys.readouterr().out
    assert f"run {xcom(run, 'reconcile', 'dragoman_run_id')}" in said
    assert "delivered 3" in said
    assert "Ærø" not in said


def test_a_red_run_fails_at_once_and_says_why(integrations, inbox, tmp_path, connect, capsys):
    connect("erp", f"sqlite:///{tmp_path / 'erp.db'}")
    text = ORDERS + TO_SQLITE + "policy: {max_rejects: {count: 1}, retries: 3}\n"
    (integrations / "orders.yaml").write_text(text)
    (inbox / "a.csv").write_text("id,name,amount\n" + "x,bad,1\n" * 5)
    capsys.readouterr()
    run = run_dag("orders")
    found = states(run)
    assert found["deliver"] == "failed"
    assert found["reconcile"] == "upstream_failed"
    assert max(ti.try_number for ti in run.get_task_instances()) == 1
    said = capsys.readouterr().out
    assert "orders: held" in said
    assert "dragoman accept" in said


def test_the_link_leads_to_the_runs_page(integrations, inbox, tmp_path, connect):
    connect("erp", f"sqlite:///{tmp_path / 'erp.db'}")
    (integrations / "orders.yaml").write_text(ORDERS + TO_SQLITE)
    run = run_dag("orders")
    for task_id in ("extract", "deliver", "reconcile"):
        link = xcom(run, task_id, "_link_RunFiguresLink")
        assert link == f"/dragoman/runs/orders/{xcom(run, task_id, 'dragoman_run_id')}"


def test_a_task_of_a_run_that_is_closed_does_nothing(integrations, inbox, tmp_path, connect):
    from datetime import UTC, datetime

    from airflow_session import parse

    connect("erp", f"sqlite:///{tmp_path / 'erp.db'}")
    (integrations / "orders.yaml").write_text(ORDERS + TO_SQLITE)
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    first = parse().dags["orders"].test(logical_date=moment, run_after=moment)
    before = last_event("dragoman://orders")
    (inbox / "b.csv").write_text("id,name,amount\n9,new,1\n")
    again = parse().dags["orders"].test(logical_date=moment, run_after=moment)  # the same DAG run, its tasks cleared
    assert again.run_id == first.run_id
    assert set(states(again).values()) == {"success"}
    assert last_event("dragoman://orders")["run_id"] == before["run_id"]
    rows = sqlite3.connect(tmp_path / "erp.db").execute("select count(*) from orders").fetchone()
    assert rows == (3,)


def test_the_example_by_hand(integrations, tmp_path, connect):
    outbox = tmp_path / "out"
    outbox.mkdir()
    connect("samples", f"file://{TOP / 'include' / 'samples'}")
    connect("outbox", f"file://{outbox}")
    run = run_dag("example_operators", TOP / "dags" / "example_operators.py")
    assert set(states(run).values()) == {"success"}
    report = xcom(run, "reconcile", "return_value")
    lines = [json.loads(line) for line in (outbox / "customers.ndjson").read_text().splitlines()]
    assert report["delivered"] == len(lines) > 10
    assert xcom(run, "tell", "return_value").startswith(f"{len(lines)} of ")
    copied = xcom(run, "json_to_ndjson", "return_value")
    assert copied["records"] == len(json.loads((TOP / "include" / "samples" / "orders.json").read_text()))
    (made,) = (tmp_path / "home" / "examples").iterdir()
    assert len(made.read_text().splitlines()) == copied["records"]


def test_a_stale_copy_still_runs(integrations, inbox, tmp_path, connect):
    connect("erp", f"sqlite:///{tmp_path / 'erp.db'}")
    (integrations / "orders.yaml").write_text(ORDERS + TO_SQLITE)
    from airflow_session import parse

    assert "stale" not in parse().dags["orders"].tags
    (integrations / "orders.yaml").write_text(ORDERS + "deliver: {connector: nowhere}\n")
    assert "stale" in parse().dags["orders"].tags
    assert set(states(run_dag("orders")).values()) == {"success"}
    assert sqlite3.connect(tmp_path / "erp.db").execute("select count(*) from orders").fetchone() == (3,)


def test_nothing_is_left_outside_the_scratch_folders():
    assert not (SCRATCH / "airflow" / "dragoman").exists()


def test_a_file_with_a_bad_record_is_not_translated(tmp_path):
    from dragoman.core.errors import FatalError
    from dragoman.orchestration.file_translation import translate_file

    (tmp_path / "in.csv").write_text("id;name\n1;a\n2;b;c\n")
    target = tmp_path / "out" / "out.ndjson"
    with pytest.raises(FatalError, match=r"in\.csv:3"):
        translate_file(tmp_path / "in.csv", target, {"type": "csv", "delimiter": ";"})
    assert not target.exists()
    (tmp_path / "in.csv").write_text("id;name\n1;a\n")
    assert translate_file(tmp_path / "in.csv", target, {"type": "csv", "delimiter": ";"})["records"] == 1
    assert json.loads(target.read_text()) == {"id": "1", "name": "a"}


def test_a_replay_that_did_not_end_is_ended_by_the_next_dag_run(integrations, inbox, tmp_path, connect):
    connect("erp", f"sqlite:///{tmp_path / 'erp.db'}")
    (integrations / "orders.yaml").write_text(ORDERS + TO_SQLITE)
    run_dag("orders")
    corrected = ORDERS.replace("{from: id,", "{from: \"replace(id, 'x', '9')\",")
    (integrations / "orders.yaml").write_text(corrected + TO_SQLITE)
    environment = os.environ | {
        "AIRFLOW_CONN_INBOX": f"file://{inbox}",
        "AIRFLOW_CONN_ERP": f"sqlite:///{tmp_path / 'erp.db'}",
        "DRAGOMAN_INTEGRATIONS": str(integrations),
        "DRAGOMAN_FAILPOINT": "deliver.committed:1:kill",
    }
    killed = subprocess.run(
        [sys.executable, "-m", "dragoman.cli", "replay", "orders", "--all"], env=environment, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    run = run_dag("orders")
    assert set(states(run).values()) == {"success"}
    assert sorted(sqlite3.connect(tmp_path / "erp.db").execute("select id from orders")) == [(1,), (2,), (3,), (9,)]
    ledger = sqlite3.connect(tmp_path / "home" / "ledger.db")
    assert ledger.execute("select state from dragoman_reject").fetchall() == [("replayed",)]
    assert ledger.execute("select kind, state from dragoman_run order by opened_at").fetchall() == [
        ("live", "done"),
        ("replay", "done"),
        ("live", "nothing_new"),
    ]
