"""A connection that is down, seen by several integrations: the real command, a real server that goes and comes back."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
from pathlib import Path

import psycopg
import pytest

from dragoman.testing.fault_server import fault_server
from dragoman.testing.http_server import Answer, serve
from workshop import Workshop

SOURCE = "source: {connector: files, connection: inbox, path: orders.csv, reread: always}"
SOON = {"DRAGOMAN_BREAKER": "failures=3,pause=600"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def let_time_pass(shop: Workshop) -> None:
    with sqlite3.connect(shop.folder / "home" / "ledger.db") as db:
        assert db.execute("UPDATE dragoman_breaker SET until = 0").rowcount


def circuits(shop: Workshop) -> list[tuple[str, str, int]]:
    found = json.loads(shop.run("connections", "--json").stdout)
    return [(row["connection"], row["state"], row["failures"]) for row in found]


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path)
    made.connections["dwh"] = f"postgresql://dragoman@127.0.0.1:{free_port()}/none"
    (tmp_path / "inbox" / "orders.csv").write_text("id\n1\n2\n")
    for name in ("a", "b", "c"):
        deliver = f"deliver: {{connector: postgres, connection: dwh, table: public.{name}, mode: upsert, key: [id]}}"
        made.integration(name, f"integration: {name}\n{SOURCE}\n{deliver}\n")
    deliver = "deliver: {connector: sqlite, connection: lite, table: other}"
    made.integration("other", f"integration: other\n{SOURCE}\n{deliver}\n")
    return made


def codes(shop: Workshop, *names: str) -> list[str]:
    found = []
    for name in names:
        done = shop.run("run", name, "--json", **SOON)
        assert done.returncode < 2, done.stderr
        found.append(json.loads(done.stdout)["error"]["code"] if done.returncode else "green")
    return found


def test_it_opens_over_all_integrations_and_closes_when_the_server_is_back(shop: Workshop, postgres: str) -> None:
    assert codes(shop, "a", "b", "c") == ["postgres.unreachable"] * 3
    assert circuits(shop) == [("dwh", "open", 3)]
    assert codes(shop, "a", "b", "other") == ["connection.circuit_open", "connection.circuit_open", "green"]
    shown = shop.run("connections").stdout
    assert "dwh" in shown
    assert "Connection refused" in shown

    let_time_pass(shop)
    assert codes(shop, "a", "b") == ["postgres.unreachable", "connection.circuit_open"]  # the probe failed
    assert circuits(shop) == [("dwh", "open", 4)]

    shop.connections["dwh"] = postgres
    assert codes(shop, "a") == ["connection.circuit_open"]
    let_time_pass(shop)
    assert codes(shop, "a", "b", "c") == ["green"] * 3
    assert circuits(shop) == [("dwh", "closed", 0)]
    with psycopg.connect(postgres) as db:
        assert db.execute("SELECT count(*) FROM public.a").fetchone() == (2,)


def test_a_killed_probe_keeps_nobody_out_for_long(shop: Workshop, postgres: str) -> None:
    codes(shop, "a", "b", "c")
    shop.connections["dwh"] = postgres
    let_time_pass(shop)
    killed = shop.run("run", "a", failpoint="circuit.claimed:1:kill", **SOON)
    assert killed.returncode == -signal.SIGKILL
    done = shop.run("run", "b", **SOON)
    assert "tried by one other process" in done.stderr
    let_time_pass(shop)
    assert codes(shop, "b", "a") == ["green", "green"]
    with psycopg.connect(postgres) as db:
        assert db.execute("SELECT count(*) FROM public.a").fetchone() == (2,)


def test_a_person_resets_it(shop: Workshop, postgres: str) -> None:
    codes(shop, "a", "b", "c")
    shop.connections["dwh"] = postgres
    wrong = shop.run("connections", "reset", "dhw")
    assert wrong.returncode == 2
    assert "dragoman connections lists" in wrong.stderr
    assert shop.run("connections", "reset").returncode == 2
    reset = shop.run("connections", "reset", "dwh")
    assert "closed" in reset.stdout
    assert codes(shop, "a") == ["green"]
    with sqlite3.connect(shop.folder / "home" / "ledger.db") as db:
        assert db.execute("SELECT count(*) FROM dragoman_audit WHERE what = 'circuit'").fetchone() == (1,)


def test_what_does_not_need_the_connection_runs_while_its_circuit_is_open(shop: Workshop, postgres: str) -> None:
    once = SOURCE.replace(", reread: always", "")
    deliver = "deliver: {connector: postgres, connection: dwh, table: public.once, mode: append}"
    shop.integration("once", f"integration: once\n{once}\n{deliver}\n")
    down, shop.connections["dwh"] = shop.connections["dwh"], postgres
    assert shop.report("once")["delivered"] == 2
    shop.connections["dwh"] = down
    codes(shop, "a", "b", "c")
    assert shop.report("once")["state"] == "nothing_new"
    assert circuits(shop) == [("dwh", "open", 3)]  # a run that asked for nothing says nothing of the server


def test_the_data_of_a_destination_never_open_it(shop: Workshop, postgres: str) -> None:
    shop.connections["dwh"] = postgres
    with psycopg.connect(postgres) as db:
        db.execute("CREATE TABLE public.a (other text NOT NULL)")
    assert not {"green", "connection.circuit_open"} & set(codes(shop, *"aaaaaa"))
    assert circuits(shop) == []


def test_a_source_is_read_once_however_often_its_destination_fails(shop: Workshop, postgres: str) -> None:
    deliver = "deliver: {connector: postgres, connection: dwh, table: public.api, mode: upsert, key: [id]}"
    source = "source: {connector: http, connection: api, path: /orders, records: orders}"
    shop.integration("api", f"integration: api\n{source}\n{deliver}\npolicy: {{tasks: steps}}\n")
    with serve(lambda _: Answer.of({"orders": [{"id": at} for at in range(50)]})) as server:
        shop.connections["api"] = f"{server.url}?allow_private=true"
        assert codes(shop, *["api"] * 5) == ["postgres.unreachable"] * 3 + ["connection.circuit_open"] * 2
        shop.connections["dwh"] = postgres
        shop.run("connections", "reset", "dwh")
        assert len(server.requests) == 1
        report = shop.report("api")
        assert len(server.requests) == 2  # the run that follows the recovered one reads its own
    (first,) = report["recovered"]
    assert (first["state"], first["read"], first["delivered"]) == ("done", 50, 50)
    with psycopg.connect(postgres) as db:
        assert db.execute("SELECT count(*) FROM public.api").fetchone() == (50,)


def test_a_reading_that_is_delivered_as_it_goes_is_sealed_to_its_end_when_the_destination_fails(
    shop: Workshop, postgres: str
) -> None:
    with psycopg.connect(postgres) as db:
        db.execute("CREATE TABLE src AS SELECT generate_series(1, 200000) AS id")
    shop.connections["src"] = postgres
    source = "source: {connector: postgres, connection: src, table: public.src}"
    deliver = "deliver: {connector: postgres, connection: dwh, table: public.copied, mode: append}"
    shop.integration("copied", f"integration: copied\n{source}\n{deliver}\npolicy: {{allow_empty: true}}\n")
    assert codes(shop, "copied") == ["postgres.unreachable"]
    with psycopg.connect(postgres) as db:
        db.execute("TRUNCATE src")  # what is read from here on is read a second time, and finds nothing
    assert codes(shop, "copied") == ["postgres.unreachable"]
    shop.connections["dwh"] = postgres
    report = shop.report("copied")
    assert report["recovered"][0]["delivered"] == 200_000
    with psycopg.connect(postgres) as db:
        found = db.execute("SELECT count(*), count(DISTINCT id) FROM public.copied").fetchone()
        assert found == (200_000, 200_000)


def test_an_api_that_takes_nothing_is_down_and_one_that_refuses_an_item_is_not(shop: Workshop) -> None:
    deliver = "deliver: {connector: http, connection: api, path: /orders, mode: upsert, key: [id], external_id: id, batch: {size: 10}}"
    shop.integration("api", f"integration: api\n{SOURCE}\n{deliver}\npolicy: {{max_rejects: {{count: 5}}}}\n")
    shop.connections["api"] = f"http://127.0.0.1:{free_port()}?allow_private=true"
    assert codes(shop, *["api"] * 4) == ["http.unreachable"] * 3 + ["connection.circuit_open"]
    shop.run("connections", "reset", "api")
    with fault_server(external_id="id") as api:
        shop.connections["api"] = f"{api.url}?allow_private=true"
        api.rules({"fault": "rate_429", "times": 1, "wait": 300})
        assert codes(shop, "api") == ["http.throttled"]
        assert circuits(shop) == [("api", "closed", 0)]
        api.rules({"fault": "poison_400", "values": [1], "times": 0})
        assert codes(shop, "api") == ["green"]
        assert [row["id"] for row in api.rows("orders")] == ["2"] or [row["id"] for row in api.rows("orders")] == [2]
    assert circuits(shop) == [("api", "closed", 0)]
