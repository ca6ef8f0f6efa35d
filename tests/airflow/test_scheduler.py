"""One real scheduler: a task that is killed in the middle of its delivery is tried again and ends exactly right."""

import os
import signal
import sqlite3

import psycopg

from airflow_cluster import cluster, until

ORDERS = """\
integration: orders
source: {connector: files, connection: inbox, path: "*.csv"}
translate:
  fields:
    id: {from: id, type: integer, required: true}
    amount: {from: amount, type: "decimal(12,2)"}
deliver: {connector: postgres, connection: erp, table: public.orders, mode: append}
policy: {max_parallel: 2}
"""
ROWS = 5000


def holder(home):
    """The process that has the lease, by the ledger."""
    with sqlite3.connect(home / "ledger.db") as ledger:
        row = ledger.execute("select pid from dragoman_lease where integration = 'orders' and host <> ''").fetchone()
    return row[0] if row else 0


def waiting_for_the_table(url):
    with psycopg.connect(url) as connection:
        query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        return connection.execute(query).fetchone()[0]


def test_killed_in_mid_delivery_it_is_tried_again(airflow_db, integrations, tmp_path, postgres):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "orders.csv").write_text("id,amount\n" + "".join(f"{n},{n}.25\n" for n in range(ROWS)))
    (integrations / "orders.yaml").write_text(ORDERS)
    home = tmp_path / "dragoman"
    environment = {
        "DRAGOMAN_HOME": str(home),
        "AIRFLOW_CONN_INBOX": f"file://{inbox}",
        "AIRFLOW_CONN_ERP": postgres,
    }
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create table public.orders (id bigint, amount numeric(12,2))")
    with cluster(tmp_path / "airflow", airflow_db, environment) as airflow:
        until(lambda: airflow.call("GET", "/api/v2/dags/orders").status_code == 200, 60, "the DAG is there")
        with psycopg.connect(postgres) as other:
            other.execute("lock table public.orders in access exclusive mode")
            began = airflow.call("POST", "/api/v2/dags/orders/dagRuns", {"logical_date": None}).json()
            run_id = began["dag_run_id"]
            until(lambda: waiting_for_the_table(postgres), 90, "the delivery waits for the table")
            os.kill(holder(home), signal.SIGKILL)

            def state():
                return airflow.tasks("orders", run_id)["deliver"]["state"]

            until(lambda: state() == "up_for_retry", 60, "Airflow has seen the dead task")
        with sqlite3.connect(airflow.database, timeout=30) as database:  # so that nobody waits for the retry's delay
            database.execute("update task_instance set end_date = '2020-01-01 00:00:00' where state = 'up_for_retry'")
        until(
            lambda: airflow.call("GET", f"/api/v2/dags/orders/dagRuns/{run_id}").json()["state"] == "success",
            90,
            "the run is green",
        )
        tasks = airflow.tasks("orders", run_id)
        pool = airflow.call("GET", "/api/v2/pools/dragoman_erp").json()
        links = airflow.call("GET", f"/api/v2/dags/orders/dagRuns/{run_id}/taskInstances/deliver/links").json()
        figures = airflow.call("GET", links["extra_links"]["Run figures"]).json()
    assert {name: (task["state"], task["try_number"]) for name, task in tasks.items()} == {
        "extract": ("success", 1),
        "deliver": ("success", 2),
        "reconcile": ("success", 1),
    }
    assert tasks["deliver"]["pool"] == "dragoman_erp"
    assert pool["slots"] == 2
    assert (figures["read"], figures["delivered"], figures["state"], figures["balanced"]) == (ROWS, ROWS, "done", True)
    with psycopg.connect(postgres) as connection:
        found = connection.execute("select count(*), count(distinct id), sum(amount) from public.orders").fetchone()
    assert (found[0], found[1], float(found[2])) == (ROWS, ROWS, sum(range(ROWS)) + ROWS * 0.25)
