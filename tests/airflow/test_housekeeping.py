"""The housekeeping DAG inside Airflow."""

import json
from datetime import UTC, datetime

import pytest

from airflow_session import TOP, run_dag

ORDERS = """\
integration: orders
source: {connector: files, connection: inbox, path: orders.csv}
deliver: {connector: files, connection: inbox, path: out.csv}
policy: {retention: {stage: 1s}}
"""
FILE = TOP / "dags" / "platform_housekeeping.py"


@pytest.fixture(autouse=True)
def _fresh_home(airflow_db, tmp_path, monkeypatch):
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))


def old_run(integrations, tmp_path, connect):
    """A run that was closed long ago, with its stage."""
    from dragoman.core import clock
    from dragoman.language import load_flow
    from dragoman.orchestration.workplace import opened_workplace
    from dragoman.steps.run import run

    (integrations / "orders.yaml").write_text(ORDERS)
    (tmp_path / "orders.csv").write_text("id\n1\n")
    connect("inbox", f"file://{tmp_path}")
    with pytest.MonkeyPatch.context() as then, opened_workplace("test") as place:
        then.setattr(clock, "now", lambda: datetime(2026, 1, 1, tzinfo=UTC))
        return run(load_flow(integrations / "orders.yaml"), place)["run_id"]


def test_what_is_old_goes(integrations, tmp_path, connect):
    run_id = old_run(integrations, tmp_path, connect)
    staged = tmp_path / "home" / "stage" / "orders" / run_id
    assert staged.is_dir()
    run = run_dag("platform_housekeeping", FILE)
    [task] = run.get_task_instances()
    assert task.state == "success"
    done = task.xcom_pull(task_ids="keep_house")
    assert (done["stage_runs"], done["problems"]) == (1, [])
    assert not staged.exists()
    json.dumps(done)


def test_a_problem_is_red(integrations, tmp_path, connect):
    old_run(integrations, tmp_path, connect)
    (tmp_path / "home" / "stage" / "orders" / "not-an-id").mkdir()
    from dragoman.core.errors import RetriableError
    from dragoman.orchestration.housekeeping import keep_house

    with pytest.raises(RetriableError, match="does not know the stage folder not-an-id"):
        keep_house(dry_run=True)
