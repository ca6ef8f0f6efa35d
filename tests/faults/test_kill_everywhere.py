"""Killed with -9 at any failpoint and run again at once: the destination is as if it had never been killed."""

from __future__ import annotations

import csv
import signal
import sqlite3
from pathlib import Path

import duckdb
import psycopg
import pytest

from dragoman.core.failpoints import FAILPOINTS
from workshop import Workshop

ROWS = 3_000
BAD = {17, 1_204, 2_999}

MAP = """
translate:
  fields:
    id: {from: id, type: integer, required: true}
    amount: {from: amount, type: "decimal(12,2)"}
    note: note
policy: {max_rejects: {count: 100}}
"""

DESTINATIONS = {
    "sqlite": "deliver: {connector: sqlite, connection: lite, table: orders, mode: append}",
    "duckdb": "deliver: {connector: duckdb, connection: duck, table: orders, mode: append}",
    "postgres": "deliver: {connector: postgres, connection: pg, table: public.orders, mode: append}",
    "postgres_upsert": "deliver: {connector: postgres, connection: pg, table: public.orders, mode: upsert, key: [id]}",
    "file": 'deliver: {connector: files, connection: out, path: "orders.csv"}',
    "file_per_run": 'deliver: {connector: files, connection: out, path: "orders-{run}.csv"}',
}
SET = """
translate: {sql: pick.sql}
policy: {max_rejects: {count: 100}}
"""


def write_orders(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "amount", "note"])
        for number in range(ROWS):
            amount = "twelve" if number in BAD else f"{number}.{number % 100:02d}"
            writer.writerow([number, amount, f"note, {number}\nsecond line"])


def delivered(shop: Workshop, destination: str) -> list[int]:
    if destination == "sqlite":
        with sqlite3.connect(shop.folder / "out" / "lite.db") as db:
            return [row[0] for row in db.execute("SELECT id FROM orders ORDER BY id")]
    if destination == "duckdb":
        with duckdb.connect(str(shop.folder / "out" / "duck.duckdb"), read_only=True) as db:
            return [row[0] for row in db.execute("SELECT id FROM orders ORDER BY id").fetchall()]
    if destination.startswith("postgres"):
        with psycopg.connect(shop.connections["pg"]) as db:
            return [row[0] for row in db.execute("SELECT id FROM public.orders ORDER BY id").fetchall()]
    ids: list[int] = []
    for path in (shop.folder / "out").glob("orders*.csv"):
        with path.open(newline="") as file:
            ids += [int(row["id"]) for row in csv.DictReader(file)]
    return sorted(ids)


ON_THE_WAY = [
    "run.opened",
    "extract.batch.written",
    "extract.batch.renamed",
    "extract.batch.recorded",
    "extract.sealed",
    "translate.batch.done",
    "deliver.batch.sent",
    "deliver.prepared",
    "deliver.committed",
    "deliver.recorded",
    "reconcile.judged",
    "reconcile.closed",
]
CASES = [("sqlite", name) for name in ON_THE_WAY]
CASES += [
    ("postgres", name) for name in ("deliver.batch.sent", "deliver.prepared", "deliver.committed", "deliver.recorded")
]
CASES += [("postgres_upsert", "deliver.committed"), ("duckdb", "deliver.committed"), ("duckdb", "deliver.prepared")]
CASES += [
    (kind, name)
    for kind in ("file", "file_per_run")
    for name in ("deliver.prepared", "files.published", "deliver.committed")
]


@pytest.mark.parametrize(("destination", "name"), CASES, ids=lambda value: value)
def test_a_killed_run_ends_as_if_it_had_not_been_killed(
    destination: str, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shop = Workshop(tmp_path)
    if destination.startswith("postgres"):
        shop.connections["pg"] = request.getfixturevalue("postgres")
    write_orders(tmp_path / "inbox" / "orders.csv")
    source = "source: {connector: files, connection: inbox, path: orders.csv}"
    shop.integration("orders", f"integration: orders\n{source}\n{MAP}\n{DESTINATIONS[destination]}\n")

    killed = shop.run("run", "orders", "--json", failpoint=f"{name}:1:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    again = shop.report("orders")
    first = again.get("recovered", [again])[0]
    if name == "reconcile.closed":
        assert again["state"] == "nothing_new"
    else:
        assert (first["state"], first["read"], first["delivered"], first["rejected"]) == ("done", ROWS, ROWS - 3, 3)
        assert first["balanced"]
    assert delivered(shop, destination) == [number for number in range(ROWS) if number not in BAD]
    rejects = shop.run("rejects", "orders", "--json")
    assert rejects.stdout.count('"twelve') == 3 or rejects.stdout.count("twelve") >= 3
    assert shop.report("orders")["state"] == "nothing_new"


def test_a_whole_set_translation_killed_after_it_was_staged_is_not_computed_twice(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    write_orders(tmp_path / "inbox" / "orders.csv")
    (tmp_path / "integrations" / "picked").mkdir()
    (tmp_path / "integrations" / "picked" / "pick.sql").write_text(
        "SELECT _rid, id, note FROM source WHERE length(id) = 2"
    )
    shop.integration(
        "picked",
        "integration: picked\nsource: {connector: files, connection: inbox, path: orders.csv}\n"
        + SET
        + "deliver: {connector: sqlite, connection: lite, table: orders}\n",
    )
    killed = shop.run("run", "picked", failpoint="translate.set.recorded:1:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    first = shop.report("picked")["recovered"][0]
    assert (first["read"], first["delivered"], first["filtered"]) == (ROWS, 90, ROWS - 90)


def test_a_file_that_a_killed_run_did_not_move_is_moved_by_the_next(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    write_orders(tmp_path / "inbox" / "orders.csv")
    source = 'source: {connector: files, connection: inbox, path: "*.csv", after: {move: done}}'
    shop.integration("orders", f"integration: orders\n{source}\n{MAP}\n{DESTINATIONS['sqlite']}\n")
    assert shop.run("run", "orders", failpoint="reconcile.closed:1:kill").returncode == -signal.SIGKILL
    assert (tmp_path / "inbox" / "orders.csv").exists()
    assert shop.report("orders")["state"] == "nothing_new"
    assert not (tmp_path / "inbox" / "orders.csv").exists()
    assert (tmp_path / "inbox" / "done" / "orders.csv").exists()
    assert len(delivered(shop, "sqlite")) == ROWS - len(BAD)


def test_every_failpoint_is_passed_by_a_test_here() -> None:
    named = {name for _destination, name in CASES} | {"translate.set.recorded"}
    assert named == set(FAILPOINTS)
