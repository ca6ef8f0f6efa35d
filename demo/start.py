"""``make demo``: everything from nothing to the printed table."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Mapping
from typing import Any

from demo import airflow, report, story
from demo.failure import DemoError
from demo.places import AIRFLOW_HOME, ENV_FILE, LOGS, STATE
from demo.processes import Started, recorded
from demo.progress import Step
from demo.servers import start_api, start_postgres
from demo.stop import stop
from dragoman.testing.airflow_site import AirflowApi
from dragoman.testing.postgres import free_port

KNOWN_WITHIN = 120.0
RUN_WITHIN = 240.0
ENDED = {"success", "failed"}
DATABASES = ("airflow", "warehouse")


def start() -> int:
    """Start it all, run the integrations, print what came of them; 0 only if every run ended as it must."""
    print("Dragoman's demo: three integrations, run by Airflow on this machine\n")
    if recorded():
        with Step("ending the demo that is still up"):
            stop()
    shutil.rmtree(STATE, ignore_errors=True)
    LOGS.mkdir(parents=True)
    story.lay_out()
    with Step("PostgreSQL"):
        url = start_postgres(DATABASES)
    with Step("the shop's API"):
        shop = start_api()
    port = free_port()
    metadata = f"{url.replace('postgresql:', 'postgresql+psycopg2:')}airflow"
    env = airflow.environment(metadata, port, story.connections(f"{url}warehouse", shop))
    _write_env(env)
    with Step("Airflow's database"):
        airflow.migrate(env)
    api = AirflowApi(port)
    with Step("Airflow: api-server, scheduler, dag-processor, triggerer") as step:
        components = airflow.start(env)
        airflow.wait_until_healthy(api, components, step)
        api.log_in(**airflow.LOGIN)
    with Step("Airflow finds the integrations") as step:
        _wait_for_dags(api, components, step)
    for number, group in enumerate(story.ROUNDS):
        if number == 1:
            story.next_day()
        _run(api, components, group)
    good = report.show(env)
    print(f"\nAirflow: http://127.0.0.1:{port}   login: {' / '.join(airflow.LOGIN.values())}   (make stop ends it all)")
    return 0 if good else 1


def _wait_for_dags(api: AirflowApi, components: list[Started], step: Step) -> None:
    end = time.monotonic() + KNOWN_WITHIN
    while missing := [name for name in story.integrations() if not api.knows(name)]:
        airflow.ensure_up(components)
        if time.monotonic() > end:
            errors = "; ".join(api.import_errors()) or "Airflow reports no import error"
            raise DemoError(f"Airflow does not know {', '.join(missing)}: {errors}", LOGS / "dag-processor.log")
        step.note("waiting for " + ", ".join(missing))
        time.sleep(0.5)
    for name in story.integrations():
        api.unpause(name)


def _run(api: AirflowApi, components: list[Started], group: tuple[story.Expected, ...]) -> None:
    with Step("run " + " and ".join(one.integration for one in group)) as step:
        runs = {one.integration: api.trigger(one.integration, "started by the demo") for one in group}
        end = time.monotonic() + RUN_WITHIN
        while True:
            airflow.ensure_up(components)
            states = {name: api.state(name, run) for name, run in runs.items()}
            open_runs = [name for name, state in states.items() if state not in ENDED]
            if not open_runs:
                break
            step.note("; ".join(f"{name}: {_progress(api.tasks(name, runs[name]))}" for name in open_runs))
            if time.monotonic() > end:
                raise DemoError(f"not ended after {RUN_WITHIN:.0f} s: {', '.join(open_runs)}", LOGS / "scheduler.log")
            time.sleep(0.5)
        failed = [name for name, state in states.items() if state != "success"]
        if failed:
            folder = LOGS / "airflow" / f"dag_id={failed[0]}" / f"run_id={runs[failed[0]]}"
            logs = sorted(folder.rglob("*.log"), key=lambda path: path.stat().st_mtime)
            raise DemoError(f"Airflow's run failed: {', '.join(failed)}", logs[-1] if logs else LOGS / "scheduler.log")


def _progress(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    done = sum(row["state"] == "success" for row in tasks.values())
    busy = [task for task, row in tasks.items() if row["state"] == "running"]
    return f"{done} of {len(tasks)} tasks" + (f", {', '.join(busy)}" if busy else "")


def _write_env(env: Mapping[str, str]) -> None:
    """For a shell beside the demo: ``. .demo/env`` and then ``dragoman …`` or ``airflow …``."""
    ENV_FILE.touch(mode=0o600)
    wanted = {key: env[key] for key in env if key.startswith(("AIRFLOW", "DRAGOMAN_")) or key == "PATH"}
    ENV_FILE.write_text("".join(f"export {key}={shlex.quote(value)}\n" for key, value in wanted.items()))
    AIRFLOW_HOME.mkdir(exist_ok=True)
