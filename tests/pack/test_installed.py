"""The wheel in a plain Airflow: no pin changes, three lines and a YAML file deliver."""

import json
import sqlite3

import pytest

from pack.environment import FRONT_DOOR


@pytest.fixture(scope="module")
def database(site):
    """Airflow's database and two connections in it, by Airflow's own commands."""
    site.run("airflow", "db", "migrate")
    connections = {
        "inbox": {"conn_type": "file", "extra": json.dumps({"path": str(site.root / "inbox")})},
        "erp": {"conn_type": "sqlite", "extra": json.dumps({"path": str(site.root / "erp.db")})},
    }
    (site.root / "connections.json").write_text(json.dumps(connections))
    site.run("airflow", "connections", "import", site.root / "connections.json")
    return site


def test_nothing_that_was_there_is_changed(site, pins_before):
    after = site.pins()
    assert {name: after.get(name) for name in pins_before} == pins_before
    assert "dragoman" in after
    assert len(after) - len(pins_before) <= 10


def test_three_lines_and_a_file_deliver_a_record(database):
    site = database
    assert len(FRONT_DOOR.splitlines()) == 3
    folder = site.home / "dags"
    seen = site.look("package", "hooks", f"dags,{folder}", f"run,{folder},orders")
    assert seen["package"].startswith(str(site.root / "venv"))
    assert seen["dags"] == {"dags": {"orders": ["extract", "deliver", "reconcile"]}, "errors": {}}
    assert seen["run"] == "success"
    with sqlite3.connect(site.root / "erp.db") as erp:
        assert erp.execute("select id, amount from orders order by id").fetchall() == [(1, "12.50"), (2, "7.00")]
    for kind in ("file", "s3", "sqlite", "duckdb", "postgres", "http"):
        assert seen["hooks"][kind].startswith("dragoman.orchestration.hooks."), kind
    listed = json.loads(site.run("dragoman", "runs", "orders", "--json"))
    assert "'delivered': 2" in str(listed)
