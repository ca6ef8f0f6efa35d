"""The routes of the plugin: closed to strangers, and a DAG's right opens that DAG's runs alone."""

import sys

import pytest

from airflow_session import TOP


@pytest.fixture(scope="module")
def client(airflow_db, tmp_path_factory):
    """The plugin's app mounted as Airflow mounts it, with Airflow's own auth manager."""
    import os

    from fastapi.testclient import TestClient

    os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = "alice:viewer"
    from airflow.api_fastapi.app import create_app

    app = create_app(apps="core")
    with TestClient(app) as client:
        yield client
    del os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]


@pytest.fixture(scope="module")
def token(client):
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="alice", role="viewer"))


@pytest.fixture
def run_id(tmp_path, monkeypatch):
    """A closed run of ``orders`` in the ledger, opened by one of Airflow's DAG runs."""
    from dragoman.orchestration.workplace import opened_workplace

    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    with opened_workplace("test") as place, place.ledger.take_lease("orders") as lease:
        trigger = "orders/scheduled__2026-01-01T00:00:00+00:00"
        place.ledger.open_run("orders", lease.token, "d" * 64, run_id="20260101T000000-ab", trigger=trigger)
        figures = {"read": 3, "delivered": 2, "rejected": 1, "filtered": 0, "in_doubt": 0}
        place.ledger.close_run("20260101T000000-ab", lease.token, "done", figures, move_cursors=True)
    return "20260101T000000-ab"


def signed_in(token, **headers):
    return {"Authorization": f"Bearer {token}", **headers}


def test_strangers_get_nothing(client, run_id):
    for path in (f"/dragoman/runs/orders/{run_id}", "/dragoman/runs/orders/x"):
        assert client.get(path).status_code == 401
    for path in ("/dragoman/docs", "/dragoman/openapi.json", "/dragoman/redoc"):
        assert client.get(path).status_code in {401, 404}


def test_every_route_of_the_app_asks_for_a_user():
    from dragoman.web.app import create_app

    app = create_app(lambda: None, lambda dag_id: "")
    paths = ["/runs/{dag_id}/{run_id:path}", "/rejects/{dag_id}", "/payloads/{dag_id}"]
    assert [route.path for route in app.routes] == paths
    assert app.router.dependencies


def test_a_reader_gets_the_figures(client, token, run_id):
    for name in (run_id, "scheduled__2026-01-01T00:00:00+00:00"):
        answer = client.get(f"/dragoman/runs/orders/{name.replace('+', '%2B')}", headers=signed_in(token))
        assert answer.status_code == 200, answer.text
        report = answer.json()
        assert (report["run_id"], report["read"], report["delivered"], report["rejected"]) == (run_id, 3, 2, 1)


def test_a_browser_gets_a_page(client, token, run_id):
    answer = client.get(f"/dragoman/runs/orders/{run_id}", headers=signed_in(token, Accept="text/html"))
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert run_id in answer.text
    assert "<script" not in answer.text


def test_another_dags_runs_stay_closed(client, token, run_id):
    assert client.get(f"/dragoman/runs/other/{run_id}", headers=signed_in(token)).status_code == 404
    assert client.get("/dragoman/runs/orders/unknown", headers=signed_in(token)).status_code == 404


def test_the_page_escapes_what_came_from_outside():
    from dragoman.web.run_page import run_page

    evil = "<img src=x onerror=alert(1)>"
    figures = dict.fromkeys(("read", "delivered", "rejected", "filtered", "in_doubt"), 1234)
    report = {"integration": evil, "run_id": evil, "state": evil, "seconds": 1.5, "balanced": False, **figures}
    report |= {"nodes": {evil: {"kind": evil, evil: 1}}, "error": {"code": evil, "message": evil}}
    page = run_page(report)
    assert "<img" not in page
    assert page.count("&lt;img") >= 7
    assert "1,234" in page


CODE = """
import sys
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
mine = [plugin for plugin in plugins if plugin.name == "dragoman"]
assert not errors, errors
assert len(mine) == 1, plugins
assert mine[0].fastapi_apps[0]["url_prefix"] == "/dragoman"
assert not mine[0].listeners
import csv, json, types, queue
for module in (csv, json, types, queue):
    assert "python3" in module.__file__, module.__file__
assert "dragoman.orchestration.operators" not in sys.modules
names = [name for name in sys.modules if name in {"app", "operators", "flow", "errors", "store", "ledger"}]
assert not names, names
"""


def test_the_plugin_loads_once_and_leaves_the_standard_library_alone():
    import subprocess

    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False, cwd=TOP)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
