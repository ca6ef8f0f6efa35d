"""Alerts by a real scheduler, DAG processor and triggerer, to a real SMTP server and a real HTTP receiver.

One start of the components serves all stories, which go on side by side.
"""

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from itertools import count
from urllib.parse import quote

import psycopg

from airflow_cluster import cluster, until
from dragoman.orchestration.notifiers import verify
from receivers import SECRET, hook, mailbox

INTEGRATION = """\
integration: {name}
title: The story of {name}
source: {{connector: files, connection: inbox, path: "{name}.csv", reread: always}}
translate:
  fields:
    id: {{from: id, type: integer, required: true}}
deliver: {deliver}
policy: {{retries: 2, tasks: {tasks}{policy}}}
{alerts}
"""
FILES = '{connector: files, connection: out, path: "NAME.csv", mode: replace}'
ALERTS = """\
alerts:
  - {on: [failed, held, rejects, in_doubt, recovered LATE], notifier: email, connection: ops_mail, to: [ops@example.com]}
  - {on: [failed, held, rejects, in_doubt, recovered LATE], notifier: webhook, connection: ops_hook}
"""
TABLE = "{connector: postgres, connection: CONN, table: public.NAME, mode: append}"


def write(folder, inbox, name, *, rows, deliver=FILES, policy="", tasks="single", alerts=ALERTS):
    late = ", late" if "deadline" in policy else ""
    text = INTEGRATION.format(
        name=name,
        deliver=deliver.replace("NAME", name),
        policy=policy,
        tasks=tasks,
        alerts=alerts.replace(" LATE", late),
    )
    (folder / f"{name}.yaml").write_text(text)
    (inbox / f"{name}.csv").write_text("id\n" + "".join(f"{row}\n" for row in rows))


def holder(home, name):
    """The process that has the lease, by the ledger."""
    with sqlite3.connect(home / "ledger.db") as ledger:
        row = ledger.execute("select pid from dragoman_lease where integration = ? and host <> ''", [name]).fetchone()
    return row[0] if row else 0


def ledger_says(home, query):
    with sqlite3.connect(home / "ledger.db") as ledger:
        return ledger.execute(query).fetchall()


def waiting_for_the_table(url):
    with psycopg.connect(url) as connection:
        query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        return connection.execute(query).fetchone()[0]


def test_all_alerts(airflow_db, integrations, tmp_path, postgres):
    inbox, out, home = tmp_path / "inbox", tmp_path / "out", tmp_path / "dragoman"
    inbox.mkdir()
    out.mkdir()
    good = range(20)
    write(integrations, inbox, "calm", rows=good)
    write(integrations, inbox, "rejecting", rows=[*good, "x"])
    write(integrations, inbox, "holding", rows=[*good, "x", "y"], policy=", max_rejects: {count: 0}")
    write(integrations, inbox, "broken", rows=good, deliver=TABLE.replace("CONN", "gone"), tasks="steps")
    write(integrations, inbox, "killed", rows=good, deliver=TABLE.replace("CONN", "erp"), policy=", deadline: 2s")
    write(integrations, inbox, "quiet", rows=good, policy=", deadline: 1s", alerts="")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create table public.killed (id bigint)")
    with mailbox() as mails, hook() as posts:
        environment = {
            "DRAGOMAN_HOME": str(home),
            "AIRFLOW__CORE__FERNET_KEY": "mJbyv1mDxqqZ0rJbkQkOBKmfYVKGJ1zQKq9B0HsnL0E=",
            "AIRFLOW__API__BASE_URL": "https://airflow.example.com",
            "AIRFLOW_CONN_INBOX": f"file://{inbox}",
            "AIRFLOW_CONN_OUT": f"file://{out}",
            "AIRFLOW_CONN_ERP": postgres,
            "AIRFLOW_CONN_GONE": "postgresql://nobody:nothing@127.0.0.1:1/none",
            "AIRFLOW_CONN_OPS_MAIL": mails.connection,
        }
        with cluster(tmp_path / "airflow", airflow_db, environment, more=("triggerer",)) as airflow:

            def post(path, body):
                """Again while Airflow's SQLite is locked; the ids are given, so nothing comes twice."""
                until(lambda: airflow.call("POST", path, body).status_code in {200, 201, 409}, 60, f"{path} is taken")

            stored = {  # the webhook's connection is in Airflow's own store, the mail's in the environment
                "connection_id": "ops_hook",
                "conn_type": "http",
                "host": f"http://127.0.0.1:{posts.port}",
                "schema": "hooks/ops",
                "password": SECRET,
            }
            post("/api/v2/connections", stored)
            numbers = count(1)

            def trigger(name):
                until(lambda: airflow.call("GET", f"/api/v2/dags/{name}").status_code == 200, 60, f"{name} is there")
                run_id = f"by_hand:{next(numbers)}"
                post(f"/api/v2/dags/{name}/dagRuns", {"dag_run_id": run_id, "logical_date": None})
                return run_id

            def ended(name, run_id):
                with sqlite3.connect(airflow.database, timeout=30) as database:  # nobody waits for a retry's delay
                    database.execute(
                        "update task_instance set end_date = '2020-01-01 00:00:00' where state = 'up_for_retry'"
                    )
                state = airflow.call("GET", f"/api/v2/dags/{name}/dagRuns/{run_id}").json()["state"]
                return state if state in {"success", "failed"} else ""

            def ends(name, run_id=None):
                run_id = run_id or trigger(name)
                return until(lambda: ended(name, run_id), 120, f"{name} has ended")

            with psycopg.connect(postgres) as other:
                other.execute("lock table public.killed in access exclusive mode")
                killed = trigger("killed")
                broken = trigger("broken")
                until(lambda: waiting_for_the_table(postgres), 90, "the delivery waits for the table")
                until(lambda: ("killed", "late") in posts.events(), 60, "the late run is told")
                with sqlite3.connect(airflow.database, timeout=30) as database:
                    database.execute("update task_instance set max_tries = 0 where dag_id = 'killed'")
                os.kill(holder(home, "killed"), signal.SIGKILL)
                assert ends("killed", killed) == "failed"
            until(lambda: ("killed", "failed") in posts.events(), 90, "the DAG processor tells of the killed task")
            assert ends("broken", broken) == "failed"
            until(lambda: ("broken", "failed") in posts.events(), 60, "the failure is told")
            runs = {name: trigger(name) for name in ("calm", "rejecting", "holding", "quiet")}
            states = {name: ends(name, run_id) for name, run_id in runs.items()}
            assert states == {"calm": "success", "rejecting": "success", "holding": "failed", "quiet": "success"}
            held_again = trigger("holding")
            recovered = trigger("killed")
            assert ends("holding", held_again) == "failed"
            assert ends("killed", recovered) == "success"
            until(lambda: ("killed", "recovered") in posts.events(), 60, "the recovery is told")
            assert ends("killed") == "success"
            quiet = ledger_says(home, "select state, late_at is not null from dragoman_run where integration = 'quiet'")
            untold = ledger_says(
                home, "select integration, event, error from dragoman_notice where state in ('untold', 'claimed')"
            )
    expected = Counter(
        {
            ("killed", "late"): 1,
            ("killed", "failed"): 1,
            ("killed", "recovered"): 1,
            ("broken", "failed"): 1,
            ("rejecting", "rejects"): 1,
            ("holding", "held"): 1,
        }
    )
    assert untold == []
    heard = [post.json for post in posts.posts]
    heard = [
        told for told in heard if told["event"] != "late" or told["dag_run_id"] == killed
    ]  # a slow machine adds others
    assert Counter((told["integration"], told["event"]) for told in heard) == expected
    ids = Counter(post.json["id"] for post in posts.posts)
    assert set(ids.values()) == {1}
    assert Counter(mail["X-Dragoman-Id"] for mail in mails.mails) == ids
    assert quiet == [("done", 1)]
    told = {(post.json["integration"], post.json["event"]): post for post in reversed(posts.posts)}
    for post in posts.posts:
        stamp, signature = post.headers["x-dragoman-timestamp"], post.headers["x-dragoman-signature"]
        assert verify(SECRET, stamp, post.body, signature, now=time.time())
        assert post.path == "/hooks/ops"
    dead = told["killed", "failed"].json
    assert "its process was killed" in dead["reason"]
    assert dead["figures"] == {"read": 20, "delivered": 0, "rejected": 0, "filtered": 0, "in_doubt": 0}
    assert dead["run_link"] == f"https://airflow.example.com/dags/killed/runs/{quote(killed, safe='')}"
    assert dead["figures_link"].endswith(f"/dragoman/runs/killed/{dead['run_id']}")
    assert told["killed", "late"].json["reason"] == "it has not ended within 2 s"
    assert told["killed", "recovered"].json["figures"]["delivered"] == 20
    assert told["killed", "recovered"].json["run_id"] == dead["run_id"]
    gone = told["broken", "failed"].json
    assert "127.0.0.1" in gone["reason"]
    assert "nothing" not in json.dumps(gone)
    assert gone["next_step"]
    held = told["holding", "held"].json
    assert "2 of 22 records" in held["reason"]
    assert f"dragoman abandon {held['run_id']}" in held["next_step"]
    assert told["rejecting", "rejects"].json["figures"] == {
        "read": 21,
        "delivered": 20,
        "rejected": 1,
        "filtered": 0,
        "in_doubt": 0,
    }
    subject, body = mails.texts()[[mail["X-Dragoman-Event"] for mail in mails.mails].index("held")]
    assert subject == "holding is held"
    assert "dragoman resume" in body
    assert "read 22" in body
