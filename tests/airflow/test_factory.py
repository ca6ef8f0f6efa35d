"""Integrations become DAGs: schedules, tasks, tags, versions, broken files."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from airflow_session import FRONT, TOP, parse

ERRORS = TOP / "dags" / "integrations_errors.py"

ORDERS = """\
integration: orders
title: Orders of the shop
owner: supply-chain
schedule: {cron: "0 6 * * 1-5", timezone: Europe/Paris}

source: {connector: files, connection: inbox, path: "orders/*.csv"}

translate:
  fields:
    id: {from: id, type: integer, required: true}
    amount: {from: amount, type: "decimal(12,2)"}

deliver: {connector: sqlite, connection: erp, table: orders, mode: upsert, key: [id]}
policy: {retries: 5, max_parallel: 4, deadline: 30m}
"""
AFTER = """\
integration: report
schedule: {after: [orders]}
source: {connector: sqlite, connection: erp, table: orders}
deliver: {connector: files, connection: outbox, path: "report.csv", mode: replace}
policy: {tasks: single}
"""


def hashed(dag):
    """What Airflow compares to decide about a new DAG version."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import DagSerialization

    return SerializedDagModel.hash(DagSerialization.to_dict(dag))


@pytest.fixture
def both(integrations):
    (integrations / "shop_orders.yaml").write_text(ORDERS)
    (integrations / "report.yaml").write_text(AFTER)
    return integrations


def test_a_dag_says_all_that_its_file_says(both):
    from airflow.sdk import CronTriggerTimetable

    dags = parse().dags
    assert set(dags) == {"orders", "report"}
    dag = dags["orders"]
    assert isinstance(dag.schedule, CronTriggerTimetable)
    assert (dag.schedule.expression, str(dag.schedule.timezone)) == ("0 6 * * 1-5", "Europe/Paris")
    assert (dag.catchup, dag.max_active_runs, dag.description) == (False, 1, "Orders of the shop")
    assert dag.tags == {"dragoman", "files", "sqlite", "supply-chain"}
    assert ORDERS in dag.doc_md
    assert len(dag.params["digest"]) == 64
    assert dag.deadline[0].interval == timedelta(minutes=30)
    assert {task.task_id: set(task.upstream_task_ids) for task in dag.tasks} == {
        "extract": set(),
        "deliver": {"extract"},
        "reconcile": {"deliver"},
    }
    assert {task.retries for task in dag.tasks} == {5}
    assert {task.owner for task in dag.tasks} == {"supply-chain"}
    assert {task.task_id: task.pool for task in dag.tasks} == {
        "extract": "dragoman_inbox",
        "deliver": "dragoman_erp",
        "reconcile": "default_pool",
    }


def test_one_integration_waits_for_another(both):
    dag = parse().dags["report"]
    assert [asset.name for asset in dag.schedule] == ["dragoman://orders"]
    (task,) = dag.tasks
    assert (task.task_id, task.retries, task.outlets[0].name) == ("run", 3, "dragoman://report")


def test_too_few_retries_are_raised_to_two(integrations):
    (integrations / "orders.yaml").write_text(ORDERS.replace("retries: 5", "retries: 0"))
    assert {task.retries for task in parse().dags["orders"].tasks} == {2}


def test_reading_twice_gives_the_same_bytes_and_an_edit_gives_others(both):
    code = (
        "import json, sys; from pathlib import Path\n"
        "from airflow.dag_processing.dagbag import BundleDagBag\n"
        "from airflow.models.serialized_dag import SerializedDagModel\n"
        "from airflow.serialization.serialized_objects import DagSerialization\n"
        "f = sys.argv[1]; bag = BundleDagBag(dag_folder=f, bundle_path=str(Path(f).parent), bundle_name='x')\n"
        "print(json.dumps({i: SerializedDagModel.hash(DagSerialization.to_dict(d)) for i, d in bag.dags.items()}))\n"
    )

    def elsewhere():
        done = subprocess.run([sys.executable, "-c", code, str(FRONT)], capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    def here():
        return {dag_id: hashed(dag) for dag_id, dag in parse().dags.items()}

    first = here()
    assert set(first) == {"orders", "report"}
    assert here() == elsewhere() == first
    (both / "shop_orders.yaml").write_text(ORDERS + "# a remark\n")
    edited = here()
    assert edited["orders"] != first["orders"]
    assert edited["report"] == first["report"]


def test_a_task_that_starts_gets_its_own_dag_alone_and_the_same(both, monkeypatch):
    whole = parse().dags
    compiled = []
    from dragoman.orchestration import shelf

    real = shelf.load_flow
    monkeypatch.setattr(shelf, "load_flow", lambda path: compiled.append(path.name) or real(path))
    for dag_id, file in (("orders", "shop_orders.yaml"), ("report", "report.yaml")):
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
        alone = parse()
        assert list(alone.dags) == [dag_id]
        assert hashed(alone.dags[dag_id]) == hashed(whole[dag_id])
        assert compiled == [file]
        compiled.clear()


def test_shards_part_the_folder(both):
    from dragoman.orchestration import build

    parts = [build(shard=shard, of=3) for shard in range(3)]
    assert sorted(dag_id for part in parts for dag_id in part) == ["orders", "report"]


def test_shards_part_the_last_good_copies_too_and_no_integration_is_twice_in_them(both):
    from dragoman.orchestration import build

    build()
    (both / "shop_orders.yaml").write_text(ORDERS.replace("deliver:", "delivr:"))
    parts = [build(shard=shard, of=3) for shard in range(3)]
    assert sorted(dag_id for part in parts for dag_id in part) == ["orders", "report"]
    (both / "moved.yaml").write_text(ORDERS)
    parts = [build(shard=shard, of=3) for shard in range(3)]
    assert sorted(dag_id for part in parts for dag_id in part) == ["orders", "report"]
    assert {"stale" in part["orders"].tags for part in parts if "orders" in part} == {False}


def test_a_broken_file_leaves_the_others_and_shows_its_line(both):
    (both / "wrong.yaml").write_text(ORDERS.replace("connector: files", "connector: fiels"))
    bag = parse()
    assert set(bag.dags) == {"orders", "report"}
    assert not bag.import_errors
    (error,) = parse(ERRORS).import_errors.values()
    assert "wrong.yaml:6:" in error
    assert "'fiels'" in error
    (both / "wrong.yaml").unlink()
    assert not parse(ERRORS).import_errors


def test_the_last_good_copy_goes_on_as_stale(both, monkeypatch):
    before = parse().dags["orders"]
    (both / "shop_orders.yaml").write_text(ORDERS.replace("deliver:", "delivr:"))
    after = parse().dags["orders"]
    assert "stale" in after.tags
    assert after.doc_md.replace("Stale", "") != after.doc_md
    assert ORDERS in after.doc_md
    assert dict(after.params) == dict(before.params)
    assert "shop_orders.yaml" in next(iter(parse(ERRORS).import_errors.values()))
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "orders")
    assert "stale" in parse().dags["orders"].tags
    monkeypatch.delenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID")
    (both / "shop_orders.yaml").write_text(ORDERS)
    assert "stale" not in parse().dags["orders"].tags


def test_two_files_of_one_name_are_errors_in_both_and_the_good_one_goes_on(both, monkeypatch):
    parse()
    (both / "orders.yaml").write_text(ORDERS.replace("table: orders", "table: elsewhere"))
    error = next(iter(parse(ERRORS).import_errors.values()))
    assert "orders.yaml" in error
    assert "shop_orders.yaml" in error
    for context in ("", "orders"):
        if context:
            monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", context)
        dag = parse().dags["orders"]
        assert "table: elsewhere" not in dag.doc_md


def test_a_file_that_is_gone_is_gone(both):
    parse()
    (both / "shop_orders.yaml").unlink()
    assert set(parse().dags) == {"report"}


def test_the_factory_imports_nothing_heavy():
    code = (
        "import sys, dragoman.orchestration.dag_factory, dragoman.orchestration.shelf\n"
        "assert not {'duckdb', 'pyarrow', 'pandas', 'psycopg'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
