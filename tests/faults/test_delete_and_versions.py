"""Deliveries that remove rows or go by versions, killed and run again: the destination and the figures stay exact."""

from __future__ import annotations

import csv
import signal
import sqlite3
from pathlib import Path

import duckdb
import psycopg
import pytest

from workshop import Workshop

SYSTEMS = {
    "sqlite": "connector: sqlite, connection: lite, table: t",
    "duckdb": "connector: duckdb, connection: duck, table: t",
    "postgres": "connector: postgres, connection: pg, table: public.t",
}
POINTS = ["deliver.batch.sent", "deliver.prepared", "deliver.committed", "deliver.recorded"]


def at(tmp_path: Path, system: str, request: pytest.FixtureRequest) -> Workshop:
    shop = Workshop(tmp_path)
    if system == "postgres":
        shop.connections["pg"] = request.getfixturevalue("postgres")
    return shop


def sql(shop: Workshop, system: str, text: str) -> list[tuple]:
    if system == "sqlite":
        with sqlite3.connect(shop.folder / "out" / "lite.db") as db:
            return db.execute(text).fetchall()
    if system == "duckdb":
        with duckdb.connect(str(shop.folder / "out" / "duck.duckdb")) as db:
            return db.execute(text).fetchall()
    with psycopg.connect(shop.connections["pg"], autocommit=True) as db:
        cursor = db.execute(text)
        return cursor.fetchall() if cursor.description else []


def bring(shop: Workshop, name: str, header: list[str], rows: list[tuple]) -> None:
    with (shop.folder / "inbox" / name).open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_rows_are_removed_once_and_all_are_accounted_for(
    system: str, point: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shop = at(tmp_path, system, request)
    sql(shop, system, "CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    sql(shop, system, "INSERT INTO t VALUES " + ", ".join(f"({n}, 'x')" for n in range(3_000)))
    bring(shop, "gone.csv", ["id"], [(n,) for n in range(0, 4_000, 2)] + [("",)])
    shop.integration(
        "gone",
        'integration: gone\nsource: {connector: files, connection: inbox, path: "gone.csv", types: {id: integer}}\n'
        f"deliver: {{{SYSTEMS[system]}, mode: delete, key: [id]}}\n",
    )
    killed = shop.run("run", "gone", failpoint=f"{point}:1:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    report = shop.report("gone")
    first = report.get("recovered", [report])[0]
    assert (first["state"], first["read"], first["delivered"], first["rejected"]) == ("done", 2_001, 2_000, 1)
    assert first["balanced"]
    assert first["nodes"]["deliver"]["erased"] == 2_000
    assert sql(shop, system, "SELECT count(*), min(id % 2) FROM t") == [(1_500, 1)]


@pytest.mark.parametrize("system", SYSTEMS)
def test_superseded_outputs_are_delivered_and_told_apart(
    system: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shop = at(tmp_path, system, request)
    shop.integration(
        "orders",
        'integration: orders\nsource: {connector: files, connection: inbox, path: "*.csv", types: {id: integer, v: timestamp}}\n'
        f"deliver: {{{SYSTEMS[system]}, mode: upsert, key: [id], version: v, insert_only: [status]}}\n"
        "policy: {max_rejects: {count: 5}}\n",
    )
    header = ["id", "v", "name", "status"]
    bring(shop, "1.csv", header, [(1, "2026-03-01 10:00:00", "a", "new"), (2, "2026-03-01 10:00:00", "a", "new")])
    assert "superseded" not in shop.report("orders")["nodes"]["deliver"]
    sql(shop, system, "UPDATE t SET status = 'paid'")
    late = [(1, "2026-02-01 10:00:00", "late", "new"), (2, "2026-04-01 10:00:00", "b", "new"), (3, "", "c", "new")]
    bring(shop, "2.csv", header, late)
    killed = shop.run("run", "orders", failpoint="deliver.committed:1:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    report = shop.report("orders")["recovered"][0]
    assert (report["read"], report["delivered"], report["rejected"], report["balanced"]) == (3, 2, 1, True)
    assert report["nodes"]["deliver"]["superseded"] == 1
    assert "version.null" in shop.run("rejects", "orders", "--json").stdout
    found = sql(shop, system, "SELECT id, name, status FROM t ORDER BY id")
    assert found == [(1, "a", "paid"), (2, "b", "paid")]
