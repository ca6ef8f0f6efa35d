"""Rights of ``access:`` in a real Airflow with FAB: two teams, each alone with its own integration."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import httpx
import pytest

from airflow_cluster import cluster, until
from airflow_people import FAB, PASSWORD, add_people
from airflow_session import SCRATCH

ORDERS = """\
integration: {name}
source: {{connector: files, connection: inbox, path: "{name}.csv"}}
translate:
  fields:
    id: {{from: id, type: integer, required: true}}
deliver: {{connector: files, connection: out, path: "{name}.csv"}}
{access}
"""
PEOPLE = {
    "root": ["Admin"],
    "ann": ["Dragoman User", "team_a"],
    "bob": ["Dragoman User", "team_b"],
    "eve": ["Dragoman User", "readers_b"],
}
SECRET = "secret-of-b-17"


def access_of(folder, name, access):
    """Write the integration; renamed into place, as an editor or git does it."""
    text = ORDERS.format(name=name, access=f"access: {json.dumps(access)}" if access else "")
    (folder / f".{name}.new").write_text(text)
    (folder / f".{name}.new").replace(folder / f"{name}.yaml")


def marks(database):
    """What carries our marks, in Airflow's database."""
    query = """
        select role.name, action.name, view.name from ab_permission_view_role held
        join ab_role role on role.id = held.role_id
        join ab_permission_view permission on permission.id = held.permission_view_id
        join ab_permission action on action.id = permission.permission_id
        join ab_view_menu view on view.id = permission.view_menu_id
        where action.name like 'dragoman%'
    """
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return {tuple(row) for row in connection.execute(query)}


class Person:
    """Someone who is signed in."""

    def __init__(self, base, name):
        self._base = base
        answer = httpx.post(f"{base}/auth/token", json={"username": name, "password": PASSWORD}, timeout=60)
        assert answer.status_code == 201, answer.text
        self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def ask(self, path, method="GET", body=None):
        return httpx.request(method, f"{self._base}{path}", json=body, headers=self._headers, timeout=60)

    def dags(self):
        answer = self.ask("/ui/dags")
        assert answer.status_code == 200, answer.text
        return {dag["dag_id"] for dag in answer.json()["dags"]}

    def status(self, path, method="GET", body=None):
        return self.ask(path, method, body).status_code

    def trigger(self, dag_id):
        return self.status(f"/api/v2/dags/{dag_id}/dagRuns", "POST", {"logical_date": None})


@pytest.fixture(scope="module")
def airflow(airflow_db, tmp_path_factory):
    top = tmp_path_factory.mktemp("rights")
    folder, inbox = top / "integrations", top / "inbox"
    for made in (folder, inbox, top / "out"):
        made.mkdir()
    for name in ("a_orders", "b_orders"):
        (inbox / f"{name}.csv").write_text("id\n1\n2\n" + (f"{SECRET}\n" if name == "b_orders" else ""))
    access_of(folder, "a_orders", {"team_a": ["run"], "nobody_has_this_role": ["read"], "x" * 65: ["read"]})
    access_of(folder, "b_orders", {"team_b": ["run", "payload"], "readers_b": ["read"]})
    access_of(folder, "c_orders", None)
    migrated = top / "migrated.db"
    shutil.copy(airflow_db, migrated)
    add_people(migrated, PEOPLE)
    environment = FAB | {
        "DRAGOMAN_HOME": str(top / "dragoman"),
        "DRAGOMAN_INTEGRATIONS": str(folder),
        "DRAGOMAN_ACCESS_EVERY": "1",
        "AIRFLOW_CONN_INBOX": f"file://{inbox}",
        "AIRFLOW_CONN_OUT": f"file://{top / 'out'}",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
    }
    with cluster(top / "airflow", migrated, environment) as running:
        running.folder, running.environment = folder, environment | {"AIRFLOW_HOME": str(top / "airflow")}
        running.people = {name: Person(running._base, name) for name in PEOPLE}
        until(lambda: ("team_a", "dragoman_create", "DAG:a_orders") in marks(running.database), 60, "rights are there")
        until(lambda: ("readers_b", "dragoman_read", "DAG:b_orders") in marks(running.database), 60, "all of them")
        assert running.people["bob"].trigger("b_orders") == 200
        yield running


@pytest.fixture
def run_of_b(airflow):
    root = airflow.people["root"]

    def ended():
        runs = root.ask("/api/v2/dags/b_orders/dagRuns").json()["dag_runs"]
        return runs[0]["dag_run_id"] if runs and runs[0]["state"] in {"success", "failed"} else ""

    return until(ended, 90, "the run of b has ended")


def test_a_team_has_its_own_integration(airflow, run_of_b):
    bob = airflow.people["bob"]
    assert bob.dags() == {"b_orders"}
    for path in ("/api/v2/dags/b_orders", f"/api/v2/dags/b_orders/dagRuns/{run_of_b}/taskInstances"):
        assert bob.status(path) == 200
    figures = bob.ask(f"/dragoman/runs/b_orders/{run_of_b}").json()
    assert (figures["read"], figures["rejected"]) == (3, 1)
    plain, whole = bob.ask("/dragoman/rejects/b_orders"), bob.ask("/dragoman/payloads/b_orders")
    assert [reject["code"] for reject in plain.json()["rejects"]] == ["type.integer"]
    assert SECRET not in plain.text
    assert SECRET in whole.json()["rejects"][0]["original"]


LISTS = """
    /ui/dags /ui/dags/latest_run /ui/dashboard/dag_stats /ui/dependencies /ui/config /ui/auth/menus /ui/backfills
    /ui/dashboard/historical_metrics_data?start_date=2020-01-01T00:00:00Z
    /api/v2/dags /api/v2/dags/~/dagRuns /api/v2/dags/~/dagRuns/~/taskInstances /api/v2/dagTags /api/v2/dagStats
    /api/v2/eventLogs /api/v2/importErrors /api/v2/dagWarnings /api/v2/assets /api/v2/assets/events
    /api/v2/dags/~/dagVersions /api/v2/dags/~/dagRuns/~/taskInstances/~/xcomEntries /api/v2/connections /api/v2/pools
    /api/v2/jobs /api/v2/plugins
"""
CLOSED = """
    /ui/dependencies /api/v2/importErrors /api/v2/dagWarnings /api/v2/assets /api/v2/connections /api/v2/pools /api/v2/jobs
"""
OF_B = """
    /api/v2/dags/b_orders /api/v2/dags/b_orders/details /api/v2/dags/b_orders/tasks /api/v2/dags/b_orders/dagRuns
    /api/v2/dags/b_orders/dagRuns/RUN /api/v2/dags/b_orders/dagRuns/RUN/taskInstances /api/v2/dags/b_orders/dagVersions
    /api/v2/dags/b_orders/dagRuns/RUN/taskInstances/extract/logs/1 /api/v2/dagSources/b_orders
    /api/v2/dags/b_orders/dagRuns/RUN/taskInstances/extract/xcomEntries
    /api/v2/dags/b_orders/dagRuns/RUN/taskInstances/extract/links
    /ui/dags/b_orders/latest_run /ui/grid/structure/b_orders /ui/grid/runs/b_orders /ui/structure/structure_data?dag_id=b_orders
    /ui/calendar/b_orders /ui/gantt/b_orders/RUN
    /dragoman/runs/b_orders/RUN /dragoman/rejects/b_orders /dragoman/payloads/b_orders
"""


def test_another_team_does_not_see_it_in_any_list(airflow, run_of_b):
    ann = airflow.people["ann"]
    assert ann.dags() == {"a_orders"}
    seen = {path: ann.ask(path) for path in LISTS.split()}
    assert {path: answer.status_code for path, answer in seen.items() if answer.status_code >= 500} == {}
    assert [path for path, answer in seen.items() if "b_orders" in answer.text] == []
    closed = {path for path, answer in seen.items() if answer.status_code != 200}
    assert closed == set(CLOSED.split())
    assert "a_orders" in seen["/api/v2/dags"].text


def test_another_team_is_refused_everywhere(airflow, run_of_b):
    ann = airflow.people["ann"]
    answers = {path: ann.status(path.replace("RUN", run_of_b)) for path in OF_B.split()}
    assert {path: status for path, status in answers.items() if status != 403} == {}
    own = airflow.people["bob"]
    assert [path for path in OF_B.split() if own.status(path.replace("RUN", run_of_b)) == 404] == []
    assert ann.trigger("b_orders") == 403
    assert ann.status("/api/v2/dags/b_orders", "PATCH", {"is_paused": True}) == 403
    assert ann.status(f"/api/v2/dags/b_orders/dagRuns/{run_of_b}/clear", "POST", {"dry_run": True}) == 403
    assert ann.status(f"/dragoman/runs/a_orders/{run_of_b}") == 404
    assert ann.status(f"/dragoman/runs/~/{run_of_b}") == 404
    assert ann.ask(f"/dragoman/rejects/~?run_id={run_of_b}").json()["rejects"] == []
    assert ann.status("/dragoman/payloads/~") == 403


def test_one_right_is_not_another(airflow, run_of_b):
    eve, ann = airflow.people["eve"], airflow.people["ann"]
    assert eve.status(f"/dragoman/runs/b_orders/{run_of_b}") == 200
    assert eve.status("/dragoman/rejects/b_orders") == 200
    assert eve.status("/dragoman/payloads/b_orders") == 403
    assert eve.trigger("b_orders") == 403
    assert ann.status("/dragoman/payloads/a_orders") == 403
    assert ann.trigger("a_orders") == 200
    for name in ("ann", "bob", "eve"):
        assert airflow.people[name].status("/api/v2/dags/c_orders") == 403
    assert airflow.people["root"].status("/api/v2/dags/c_orders") == 200


def test_a_role_that_cannot_be_and_one_that_nobody_has_harm_nobody(airflow):
    assert ("nobody_has_this_role", "dragoman_read", "DAG:a_orders") in marks(airflow.database)
    assert not [role for role, *_ in marks(airflow.database) if role.startswith("xxx")]
    assert airflow.people["root"].ask("/api/v2/importErrors").json()["import_errors"] == []


def by_hand(airflow, *words):
    command = [sys.executable, "-m", "dragoman.cli", "access", "sync", *words, "--json"]
    environment = os.environ | airflow.environment
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_what_is_taken_out_of_the_file_is_gone_at_the_next_sync(airflow, run_of_b):
    """The last test here: it changes the files."""
    bob, eve, ann = (airflow.people[name] for name in ("bob", "eve", "ann"))
    with closing(sqlite3.connect(airflow.database, timeout=30)) as connection, connection:
        connection.execute(  # an administrator gives team_a the right to read c_orders by hand
            "insert into ab_permission_view_role (permission_view_id, role_id) select p.id, r.id "
            "from ab_permission_view p join ab_permission a on a.id = p.permission_id "
            "join ab_view_menu v on v.id = p.view_menu_id join ab_role r on r.name = 'team_a' "
            "where a.name = 'can_read' and v.name = 'DAG:c_orders'"
        )
    until(lambda: ann.status("/api/v2/dags/c_orders") == 200, 10, "the right given by hand works")
    access_of(airflow.folder, "b_orders", {"team_b": ["read"]})
    until(lambda: eve.status("/api/v2/dags/b_orders") == 403, 60, "the role that was removed has lost its rights")
    until(lambda: bob.trigger("b_orders") == 403, 10, "and the other what was taken from it")
    assert bob.status("/dragoman/rejects/b_orders") == 200
    assert bob.status("/dragoman/payloads/b_orders") == 403
    access_of(airflow.folder, "b_orders", None)
    until(lambda: bob.status("/api/v2/dags/b_orders") == 403, 60, "without access: nothing is left")
    assert ann.status("/api/v2/dags/a_orders") == 200
    assert ann.status("/api/v2/dags/c_orders") == 200
    said = by_hand(airflow)
    assert (said["integrations"], said["given"], said["taken"], len(said["wrong"])) == (1, [], [], 1)


def test_without_rights_per_dag_the_command_says_so():
    environment = {name: value for name, value in os.environ.items() if "AUTH_MANAGER" not in name}
    command = [sys.executable, "-m", "dragoman.cli", "access", "sync"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 2
    assert "SimpleAuthManager, which knows no rights per DAG: access: has no effect" in done.stderr
    assert str(SCRATCH) not in done.stderr
