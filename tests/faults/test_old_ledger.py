"""A ledger put back from an old backup, or lost: the destinations know what it missed, so nothing doubles or is lost."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import duckdb
import psycopg
import pytest

from workshop import Workshop

DESTINATIONS = {
    "sqlite": "{connector: sqlite, connection: lite, table: orders}",
    "duckdb": "{connector: duckdb, connection: duck, table: orders}",
    "postgres": "{connector: postgres, connection: pg, table: public.orders}",
}
FILES = 'source: {connector: files, connection: inbox, path: "*.csv"}'
CURSOR = "source: {connector: sqlite, connection: before, table: t, cursor: {column: id}}"


def ids(shop: Workshop, destination: str) -> list[int]:
    query = "SELECT CAST(id AS INTEGER) FROM orders ORDER BY 1"
    if destination == "sqlite":
        with sqlite3.connect(shop.folder / "out" / "lite.db") as db:
            return [row[0] for row in db.execute(query)]
    if destination == "duckdb":
        with duckdb.connect(str(shop.folder / "out" / "duck.duckdb"), read_only=True) as db:
            return [row[0] for row in db.execute(query).fetchall()]
    with psycopg.connect(shop.connections["pg"]) as db:
        return [row[0] for row in db.execute(query).fetchall()]


def bring(shop: Workshop, number: int) -> None:
    """One more record, in a file of its own and in the table with a cursor."""
    (shop.folder / "inbox" / f"{number}.csv").write_text(f"id\n{number}\n")
    with sqlite3.connect(shop.folder / "before.db") as db:
        db.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)")
        db.execute("INSERT INTO t VALUES (?)", (number,))


def at(tmp_path: Path, source: str, deliver: str) -> Workshop:
    shop = Workshop(tmp_path)
    shop.connections["before"] = f"sqlite:///{tmp_path / 'before.db'}"
    shop.integration("orders", f"integration: orders\n{source}\n{deliver}\n")
    return shop


@pytest.mark.parametrize("kept", [0, 1, 3], ids=["lost", "old", "a little old"])
@pytest.mark.parametrize("source", [FILES, CURSOR], ids=["files", "cursor"])
@pytest.mark.parametrize("destination", DESTINATIONS)
def test_nothing_doubles_and_nothing_is_lost(
    destination: str, source: str, kept: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shop = at(tmp_path, source, f"deliver: {DESTINATIONS[destination]}")
    if destination == "postgres":
        shop.connections["pg"] = request.getfixturevalue("postgres")
    home, backup = tmp_path / "home", tmp_path / "backup"
    for number in range(1, 5):
        bring(shop, number)
        assert shop.report("orders")["delivered"] == 1
        if number == kept:
            shutil.copytree(home, backup)
    shutil.rmtree(home)
    if kept:
        shutil.copytree(backup, home)
    bring(shop, 5)
    report = shop.report("orders")
    assert (report["state"], report["delivered"], report["balanced"]) == ("done", 1, True)
    assert ids(shop, destination) == [1, 2, 3, 4, 5]
    assert shop.report("orders")["delivered"] == 0
    bring(shop, 6)
    assert shop.report("orders")["delivered"] == 1
    assert ids(shop, destination) == [1, 2, 3, 4, 5, 6]


def test_two_destinations_are_asked_before_either_is_written(tmp_path: Path) -> None:
    shop = at(
        tmp_path,
        FILES.replace("source:", "sources:\n  files:"),
        "deliveries:\n"
        f'  odd: {{from: files, when: "CAST(id AS INTEGER) % 2 = 1", {DESTINATIONS["sqlite"][1:]}\n'
        f"  even: {{from: files, when: else, {DESTINATIONS['duckdb'][1:]}",
    )
    home, backup = tmp_path / "home", tmp_path / "backup"
    for number in range(1, 6):
        bring(shop, number)
        assert shop.report("orders")["delivered"] == 1
        if number == 1:
            shutil.copytree(home, backup)
    shutil.rmtree(home)
    shutil.copytree(backup, home)
    for number in (6, 7):
        bring(shop, number)
    assert shop.report("orders")["delivered"] == 2
    assert ids(shop, "sqlite") == [1, 3, 5, 7]
    assert ids(shop, "duckdb") == [2, 4, 6]
    assert json.loads(shop.run("rejects", "orders", "--json").stdout) == []
