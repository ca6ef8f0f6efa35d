"""A ledger put back from an old backup, or lost: the destinations know what it missed, so nothing doubles or is lost."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import duckdb
import psycopg
import pytest

from workshop import Workshop

FULL = os.environ.get("DRAGOMAN_MATRIX") == "full"
DESTINATIONS = {
    "sqlite": "{connector: sqlite, connection: lite, table: orders}",
    "duckdb": "{connector: duckdb, connection: duck, table: orders}",
    "postgres": "{connector: postgres, connection: pg, table: public.orders}",
    "one_file": "{connector: files, connection: out, path: orders.csv}",
    "file_per_run": '{connector: files, connection: out, path: "orders-{run}.ndjson"}',
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
    if "file" in destination:
        found = []
        for path in (shop.folder / "out").iterdir():
            if path.name.startswith("orders"):
                lines = path.read_text().splitlines()
                found += [int(line) for line in lines[1:]] if path.suffix == ".csv" else map(_id, lines)
        return sorted(found)
    with psycopg.connect(shop.connections["pg"]) as db:
        return [row[0] for row in db.execute(query).fetchall()]


def _id(line: str) -> int:
    return int(json.loads(line)["id"])


def lose(shop: Workshop, backup: Path | None = None) -> None:
    shutil.rmtree(shop.folder / "home")
    if backup is not None:
        shutil.copytree(backup, shop.folder / "home")


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
@pytest.mark.parametrize("destination", [one for one in DESTINATIONS if FULL or one != "duckdb"])
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


@pytest.mark.parametrize("source", [FILES, CURSOR], ids=["files", "cursor"])
@pytest.mark.parametrize("destination", ["sqlite", "one_file", "file_per_run"])
def test_a_new_ledger_that_has_tried_often_is_behind_all_the_same(
    destination: str, source: str, tmp_path: Path
) -> None:
    """Its tokens have grown above those that the destination has seen."""
    shop = at(tmp_path, source, f"deliver: {DESTINATIONS[destination]}")
    for number in (1, 2):
        bring(shop, number)
        assert shop.report("orders")["delivered"] == 1
    lose(shop)
    for _try in range(6):
        assert shop.run("run", "orders", failpoint="extract.sealed:1:raise").returncode == 1
    bring(shop, 3)
    assert shop.report("orders")["delivered"] == 1
    assert ids(shop, destination) == [1, 2, 3]


@pytest.mark.parametrize("name", ["deliver.prepared", "files.published", "deliver.committed", "deliver.recorded"])
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("destination", ["one_file", "file_per_run"])
def test_killed_while_files_are_published_and_the_ledger_lost(
    destination: str, nth: int, name: str, tmp_path: Path
) -> None:
    """The note is the first file that gets its name; from then on the run is on record, its own files may follow."""
    shop = at(tmp_path, FILES, f"deliver: {DESTINATIONS[destination]}")
    bring(shop, 1)
    assert shop.report("orders")["delivered"] == 1
    bring(shop, 2)
    killed = shop.run("run", "orders", failpoint=f"{name}:{nth}:kill")
    if name != "files.published":
        assert (killed.returncode == -9) is (nth == 1), killed.stderr
    lose(shop)
    bring(shop, 3)
    assert shop.report("orders")["state"] == "done"
    assert ids(shop, destination) == [1, 2, 3]
    assert shop.report("orders")["state"] == "nothing_new"


def two(tmp_path: Path, mode: str) -> Workshop:
    """Two deliveries of everything, one after the other."""
    shop = at(
        tmp_path,
        CURSOR.replace("source:", "sources:\n  rows:"),
        f"deliveries:\n  first: {{from: rows, mode: {mode}, key: [id], {DESTINATIONS['sqlite'][1:]}\n"
        f"  second: {{from: rows, mode: append, {DESTINATIONS['duckdb'][1:]}",
    )
    for number in (1, 2):
        bring(shop, number)
        assert shop.report("orders")["delivered"] == 2
    bring(shop, 3)
    return shop


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "old"])
def test_killed_between_two_deliveries_and_the_ledger_lost_where_the_first_upserts(tmp_path: Path, kept: bool) -> None:
    shop = two(tmp_path, "upsert")
    if kept:
        shutil.copytree(tmp_path / "home", tmp_path / "backup")
    assert shop.run("run", "orders", failpoint="deliver.recorded:1:kill").returncode == -9
    assert (ids(shop, "sqlite"), ids(shop, "duckdb")) == ([1, 2, 3], [1, 2])
    lose(shop, tmp_path / "backup" if kept else None)
    bring(shop, 4)
    assert shop.report("orders")["delivered"] == 4
    assert ids(shop, "sqlite") == ids(shop, "duckdb") == [1, 2, 3, 4]
    assert shop.report("orders")["delivered"] == 0


def test_killed_between_two_deliveries_and_the_ledger_lost_where_the_first_appends(tmp_path: Path) -> None:
    """Nobody can tell the records of that run from those that came since, so a person decides; nothing is changed."""
    shop = two(tmp_path, "append")
    assert shop.run("run", "orders", failpoint="deliver.recorded:1:kill").returncode == -9
    lose(shop)
    bring(shop, 4)
    for _try in range(4):
        red = shop.run("run", "orders", "--json")
        assert (red.returncode, json.loads(red.stdout)["error"]["code"]) == (1, "ledger.behind_partly"), red.stdout
    said = json.loads(red.stdout)["error"]
    assert "'first' has taken and 'second' has no proof of" in said["message"]
    assert "dragoman cursor set, to rows: 3" in said["next"]
    assert (ids(shop, "sqlite"), ids(shop, "duckdb")) == ([1, 2, 3], [1, 2])


def test_killed_after_both_deliveries_and_the_ledger_lost(tmp_path: Path) -> None:
    shop = two(tmp_path, "append")
    assert shop.run("run", "orders", failpoint="deliver.committed:2:kill").returncode == -9
    lose(shop)
    bring(shop, 4)
    assert shop.report("orders")["delivered"] == 2
    assert ids(shop, "sqlite") == ids(shop, "duckdb") == [1, 2, 3, 4]
