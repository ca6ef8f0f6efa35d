"""Deletions in the source arrive at the destination, by a column and by comparing keys, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import sqlite3

import pytest

from dragoman.testing.fault_server import FaultServer
from dragoman.testing.http_server import serve
from workshop import Workshop

COMPARE = """
integration: people
source: {{connector: sqlite, connection: lite, table: people, {cursor}deletes: {deletes}}}
translate: {{fields: {{id: {{from: id, type: integer}}, name: name, note: {{from: note, required: true}}}}}}
deliver: {{connector: duckdb, connection: duck, table: people, mode: upsert, key: id}}
"""
CURSOR = "cursor: {column: version, id: id}, "


class People:
    """A table of people in SQLite, and what DuckDB has got of it."""

    def __init__(self, folder, cursor=CURSOR, deletes="compare", text=COMPARE):
        self.shop = Workshop(folder)
        self.sql(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, note TEXT, version INTEGER, gone BOOLEAN DEFAULT 0)"
        )
        self.write(cursor, deletes, text)

    def write(self, cursor=CURSOR, deletes="compare", text=COMPARE):
        self.shop.integration("people", text.format(cursor=cursor, deletes=deletes))

    def sql(self, text, *values):
        with sqlite3.connect(self.shop.folder / "out" / "lite.db") as server:
            return server.execute(text, values).fetchall()

    def add(self, *ids, version=1, gone=0):
        for one in ids:
            self.sql("INSERT OR REPLACE INTO people VALUES (?, ?, 'n', ?, ?)", one, f"name {one}", version, gone)

    def delete(self, *ids):
        for one in ids:
            self.sql("DELETE FROM people WHERE id = ?", one)

    def run(self, expect=0, failpoint=""):
        return self.shop.report("people", expect=expect, failpoint=failpoint)

    def erased(self):
        """How many deletions one command carried out, an unfinished run that it finished first included."""
        report = self.run()
        return sum(one["deleted"] for one in [report, *report.get("recovered", [])])

    def there(self):
        import duckdb

        with duckdb.connect(str(self.shop.folder / "out" / "duck.duckdb"), read_only=True) as server:
            return [row[0] for row in server.sql("SELECT id FROM people ORDER BY id").fetchall()]


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


@pytest.mark.parametrize("cursor", [CURSOR, ""], ids=["cursor", "whole"])
def test_what_is_gone_from_the_source_is_erased(tmp_path, cursor):
    people = People(tmp_path, cursor)
    people.add(1, 2, 3, 4)
    people.run()
    people.delete(2, 3)
    people.add(5, version=2)
    report = people.run()
    assert people.there() == [1, 4, 5]
    assert (report["balanced"], report["deleted"]) == (True, 2)
    assert report["read"] == report["delivered"] == (3 if cursor else 5)
    assert report["nodes"]["deliver"]["deleted"] == 2
    assert people.erased() == 0


def test_nothing_but_deletions_is_no_empty_run(people):
    people.add(1, 2)
    people.run()
    people.delete(2)
    report = people.run()
    assert (report["state"], report["read"], report["deleted"], people.there()) == ("done", 1, 1, [1])
    assert people.run()["state"] == "nothing_new"


def test_a_key_that_came_back_is_there(people):
    people.add(1, 2)
    people.run()
    people.delete(2)
    people.run()
    people.add(2, version=2)
    people.run()
    assert people.there() == [1, 2]


def test_an_empty_source_after_a_full_one_is_red_and_erases_nothing(people):
    people.add(1, 2, 3)
    people.run()
    kept = people.sql("SELECT * FROM people")
    people.delete(1, 2, 3)
    report = people.run(expect=1)
    assert report["error"]["code"] == "deletes.too_many"
    assert people.there() == [1, 2, 3]
    for row in kept:
        people.sql("INSERT INTO people VALUES (?, ?, ?, ?, ?)", *row)
    people.delete(1)
    assert people.erased() == 1
    assert people.there() == [2, 3]


def test_a_share_that_is_too_great_is_red_until_a_person_says_so(people):
    people.add(*range(40))
    people.run()
    people.delete(*range(21))
    report = people.run(expect=1)
    assert "21 of the 40 keys" in report["error"]["message"]
    assert len(people.there()) == 40
    people.write(deletes="{compare: true, most: 60%}")
    assert people.erased() == 21
    assert people.there() == list(range(21, 40))


def test_all_may_be_gone_where_that_was_said(people):
    people.add(1, 2)
    people.run()
    people.delete(1, 2)
    people.write(deletes="{compare: true, most: 100%}")
    assert people.erased() == 2
    assert people.there() == []


FULL = os.environ.get("DRAGOMAN_MATRIX") == "full"
KILLS = [
    "extract.keys.written",
    "extract.batch.recorded",
    "extract.sealed",
    "deliver.batch.sent",
    "deliver.prepared",
    "deliver.committed",
    "deliver.recorded",
    "reconcile.judged",
    "reconcile.closed",
]


@pytest.mark.parametrize("point", KILLS)
@pytest.mark.parametrize("deletes", ["compare", "{column: gone}"] if FULL else ["compare"])
def test_killed_anywhere_a_deletion_is_neither_lost_nor_invented(tmp_path, point, deletes):
    if point == "extract.keys.written" and deletes != "compare":
        return
    people = People(tmp_path, deletes=deletes)
    people.add(1, 2, 3, 4)
    people.run()
    if deletes == "compare":
        people.delete(2)
    else:
        people.add(2, version=2, gone=1)
    people.add(5, version=2)
    done = people.shop.run("run", "people", "--json", failpoint=f"{point}:1:kill")
    assert done.returncode == -9
    people.run()
    assert people.there() == [1, 3, 4, 5]
    if deletes == "compare":
        people.delete(5)
    else:
        people.add(5, version=3, gone=1)
    assert people.erased() == 1
    assert people.there() == [1, 3, 4]


def test_the_key_set_moves_only_with_the_closed_run(people):
    people.add(1, 2, 3)
    people.run()
    people.delete(3)
    people.run(expect=1, failpoint="deliver.prepared:1:raise")
    people.delete(2)
    people.run()
    people.run()
    assert people.there() == [1]


def test_a_run_that_was_given_up_leaves_the_deletion_to_the_next(people):
    people.add(1, 2, 3)
    people.run()
    people.delete(3)
    report = people.run(expect=1, failpoint="extract.sealed:1:raise")
    assert people.shop.run("abandon", report["run_id"]).returncode == 0
    assert people.erased() == 1
    assert people.there() == [1, 2]


def test_a_lost_key_set_is_red_and_the_way_out_works(people):
    people.add(1, 2)
    people.run()
    for file in (people.shop.folder / "home").rglob("keys/source/*/*.arrow"):
        file.unlink()
    people.delete(2)
    report = people.run(expect=1)
    assert report["error"]["code"] == "deletes.keys_lost"
    assert people.shop.run("abandon", report["run_id"]).returncode == 0
    assert people.shop.run("cursor", "reset", "people").returncode == 0
    people.run()
    people.delete(1)
    people.add(3, version=2)
    assert people.erased() == 1


def test_old_key_sets_are_removed(people):
    for version in range(8):
        people.add(version, version=version)
        people.run()
    assert len(list((people.shop.folder / "home").rglob("keys/source/*"))) <= 3
    people.delete(0)
    assert people.erased() == 1


def test_a_true_value_deletes_and_required_fields_are_not_asked_for(tmp_path):
    people = People(tmp_path, deletes="{column: gone}")
    people.add(1, 2, 3)
    people.run()
    people.sql("UPDATE people SET gone = 1, note = NULL, name = NULL, version = 2 WHERE id IN (1, 3)")
    report = people.run()
    assert (report["deleted"], report["delivered"], report["rejected"], people.there()) == (2, 2, 0, [2])


def test_order_within_a_run_is_kept(tmp_path):
    """An event table: several records of one key in one reading, the last has the last word."""
    text = COMPARE.replace("table: people, {{", "table: events, {{").replace("id: {{from: id,", "id: {{from: person,")
    people = People(
        tmp_path, deletes="{column: gone}", text=text.replace("table: people, {cursor}", "table: events, {cursor}")
    )
    people.sql(
        "CREATE TABLE events (id INTEGER PRIMARY KEY, person INT, name TEXT, note TEXT, version INT, gone BOOLEAN)"
    )
    for version, (person, gone) in enumerate([(1, 0), (1, 1), (2, 0), (2, 1), (2, 0), (3, 1), (3, 0), (4, 0)]):
        people.sql("INSERT INTO events VALUES (?, ?, 'x', 'n', ?, ?)", version, person, version, gone)
    report = people.run()
    assert people.there() == [2, 3, 4]
    assert (report["read"], report["delivered"], report["deleted"]) == (8, 8, 3)


def test_a_word_that_is_no_boolean_is_a_reject(tmp_path):
    people = People(tmp_path, deletes="{column: name}")
    people.add(1)
    people.sql("INSERT INTO people VALUES (2, 'true', 'n', 1, 0), (3, 'false', 'n', 1, 0)")
    report = people.run()
    assert (report["read"], report["delivered"], report["rejected"], report["deleted"]) == (3, 2, 1, 1)
    assert people.there() == [3]


def test_hundreds_of_thousands_of_keys(people):
    with sqlite3.connect(people.shop.folder / "out" / "lite.db") as server:
        server.execute(
            "INSERT INTO people WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
            "SELECT i, 'name', 'n', 1, 0 FROM n"
        )
    people.run()
    people.sql("DELETE FROM people WHERE id % 1000 = 0")
    assert people.erased() == 300
    assert len(people.there()) == 299_700


LISTED = """
integration: people
source:
  connector: http
  connection: api
  path: /lists/people/offset
  records: data
  paging: {type: offset, size: 10}
  deletes: compare
translate: {fields: {id: {from: id, type: integer}, name: name}}
deliver: {connector: duckdb, connection: duck, table: people, mode: upsert, key: id}
policy: {max_rejects: {count: 5}}
"""


@pytest.fixture
def listed(people):
    api = FaultServer()
    with serve(api) as server:
        people.shop.connections["api"] = f"{server.url}?allow_private=true"
        people.shop.integration("people", LISTED)
        people.api = api
        yield people


def test_what_a_whole_list_has_no_longer_is_erased(listed):
    rows = [{"id": number, "name": "n"} for number in range(1, 26)]
    listed.api.lists.set("people", rows)
    listed.run()
    listed.api.lists.set("people", rows[2:])
    report = listed.run()
    assert (report["deleted"], report["read"], listed.there()) == (2, 25, list(range(3, 26)))


@pytest.mark.parametrize("fault", ["s_empty_mid", "s_err200", "s_drift_del"])
def test_a_list_that_was_not_read_whole_erases_nothing(listed, fault):
    rows = [{"id": number, "name": "n"} for number in range(1, 26)]
    listed.api.lists.set("people", rows)
    listed.run()
    listed.api.rules.set([{"fault": fault, "nth": 2, "size": 1}])
    listed.run(expect=1)
    assert listed.there() == list(range(1, 26))
    listed.api.rules.set([])
    listed.api.lists.set("people", rows[1:])
    assert listed.erased() == 1


@pytest.mark.parametrize("broken", [{"name": "no id"}, "no object", {"id": None}], ids=str)
def test_where_a_record_has_no_key_nothing_is_known_to_be_gone(listed, broken):
    rows = [{"id": number, "name": "n"} for number in range(1, 6)]
    listed.api.lists.records["people"] = rows
    listed.run()
    listed.api.lists.records["people"] = [*rows[1:], broken]
    assert listed.run()["deleted"] == 0
    assert listed.there() == [1, 2, 3, 4, 5]
    listed.api.lists.records["people"] = rows[1:]
    assert listed.run()["deleted"] == 1
    assert listed.there() == [2, 3, 4, 5]


def test_the_receipt_says_erased(people):
    people.add(1, 2)
    people.run()
    assert json.loads(people.shop.run("prove", "people", "id=2", "--json").stdout)["outcome"] == "delivered"
    people.delete(2)
    people.run()
    assert json.loads(people.shop.run("prove", "people", "id=2", "--json").stdout)["outcome"] == "erased"
    assert json.loads(people.shop.run("prove", "people", "id=1", "--json").stdout)["outcome"] == "delivered"


def test_a_deletion_that_cannot_be_carried_out_is_a_reject_and_never_replayed_as_a_record(tmp_path):
    """The key of a deleted record comes out as NULL: nobody can tell what to erase."""
    people = People(tmp_path, deletes="{column: gone}", text=COMPARE.replace("from: id,", "from: name,"))
    people.sql("INSERT INTO people VALUES (1, '7', 'n', 1, 0), (2, NULL, 'n', 1, 1)")
    report = people.run()
    assert (report["read"], report["delivered"], report["rejected"], report["balanced"]) == (2, 1, 1, True)
    (reject,) = json.loads(people.shop.run("rejects", "people", "--json").stdout)
    assert (reject["code"], reject["stage"]) == ("deletes.no_key_value", "erase")
    replayed = people.shop.run("replay", "people", "--all", "--json")
    assert "replay.deletion" in replayed.stdout + replayed.stderr
    assert people.there() == [7]


def test_a_ledger_from_an_old_backup_learns_which_keys_were_seen_last(people):
    ledger = people.shop.folder / "home" / "ledger.db"
    people.add(1, 2, 3, 4, 5, 6)
    people.run()
    backup = ledger.read_bytes()
    for number in (1, 2, 3, 4):
        people.delete(number)
        people.run()
    for beside in ledger.parent.glob("ledger.db-*"):
        beside.unlink()
    ledger.write_bytes(backup)
    people.delete(5)
    people.run()
    assert people.there() == [6]
