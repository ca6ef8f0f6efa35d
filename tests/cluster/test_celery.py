"""Airflow with CeleryExecutor on two workers, each a machine of its own for all that Dragoman can see."""

import subprocess
import sys

import pytest

from dragoman.testing.airflow_site import AirflowApi
from scripts.cluster.process import machines_can_be_made
from scripts.cluster.site import WORKERS
from scripts.cluster.story import newest_run

ROWS = 5000
OPEN_A_WORKPLACE = """
from dragoman.orchestration.workplace import opened_workplace
with opened_workplace("test") as place:
    print(place.stage.url)
"""


def test_each_of_three_users_has_the_rights_of_his_role(site, story):
    answers = {}
    for name in site.passwords:
        api = AirflowApi(site.api.client.base_url.port)
        api.log_in(name, site.passwords[name])
        seen = api.call("GET", "/api/v2/dags").json()["total_entries"]
        paused = api.call("PATCH", "/api/v2/dags/orders_6", {"is_paused": False}).status_code
        connections = api.call("GET", "/api/v2/connections").status_code
        answers[name] = (seen >= len(story.names), paused, connections)
    assert answers == {"ada": (True, 200, 200), "olga": (True, 200, 200), "vera": (True, 403, 403)}


def test_integrations_are_spread_over_both_workers(site, story):
    story.new_files(story.names, ROWS)
    runs = {name: site.api.trigger(name) for name in story.names}
    assert {name: site.api.wait_for(name, run, 120) for name, run in runs.items()} == dict.fromkeys(runs, "success")
    tasks = [task for name, run in runs.items() for task in site.api.tasks(name, run).values()]
    assert len(tasks) == 3 * len(story.names)
    assert all(task["pid"] for task in tasks)
    for worker in WORKERS:
        assert "execute_workload" in site.parts[worker].log.read_text()
    if machines_can_be_made():
        assert {task["hostname"] for task in tasks} == set(WORKERS)
    assert story.lost_and_doubled(site, story.names) == (0, 0)


@pytest.mark.parametrize(
    ("missing", "code"),
    [("AIRFLOW_CONN_DRAGOMAN_LEDGER", "ledger.one_machine"), ("DRAGOMAN_STAGE", "stage.one_machine")],
)
def test_what_is_not_shared_is_refused(site, missing, code):
    environment = {key: value for key, value in site.environment.items() if key != missing}
    command = [sys.executable, "-c", OPEN_A_WORKPLACE]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert f"[{code}]" in refused.stderr
    assert f"set {missing}" in refused.stderr


def test_a_worker_killed_in_mid_delivery_costs_no_record(site, story):
    name = "orders_1"
    story.new_files([name], ROWS)
    with story.locked(site, [name]):
        run = site.api.trigger(name)
        site.until(lambda: story.waits(site, name), 90, "a delivery that waits for its table")
        victim = site.worker_of(site.api.tasks(name, run)["deliver"])
        site.kill(victim)
    site.until(lambda: site.api.state(name, run) != "running", 150, "the end of the run", but=victim)
    tries = site.api.tries(name, run, "deliver")
    assert site.api.state(name, run) == "success"
    assert story.lost_and_doubled(site, [name]) == (0, 0)
    report = newest_run(site, name)
    assert (report["state"], report["balanced"], report["read"], report["delivered"]) == ("done", True, ROWS, ROWS)
    if machines_can_be_made():
        assert tries[0]["hostname"] == victim
        assert tries[-1]["hostname"] == next(worker for worker in WORKERS if worker != victim)
    site.tend()
    assert site.restarted == {victim: 1}
