"""What an upsert does with rows that are there, and rows that are removed: the same on every system."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import duckdb
import pytest

from dragoman.core.errors import FatalError
from sql_targets import PAIR, outputs, request_of, send

KEYED = {"mode": "upsert", "key": ("id",)}
VERSIONED = {"id": "integer", "name": "text", "v": "integer"}


def session_of(target, table, **how):
    return target.destination().deliver(request_of(table, **how))


def test_writes_and_erases_take_effect_in_their_order(target):
    table = outputs(PAIR, [(1, "old"), (2, "stays"), (3, "goes")])
    send(target, table, **KEYED)
    session = session_of(target, table, run_id="run2", token=2, **KEYED)
    assert session.write("b0", outputs(PAIR, [(4, "made"), (5, "made")])) == []
    assert session.erase("b0", outputs(PAIR, [(4, None), (1, None), (3, None)])) == []
    assert session.write("b0", outputs(PAIR, [(1, "again")])) == []
    assert session.erase("b1", outputs({"id": "integer"}, [(99,)])) == []
    assert session.more() == {"erased": 4}
    session.commit()
    session.close()
    assert target.sql("SELECT * FROM t ORDER BY id") == [(1, "again"), (2, "stays"), (5, "made")]
    proof = "SELECT batch_id, \"rows\" FROM _dragoman_delivery WHERE run_id = 'run2' AND batch_id <> '' ORDER BY 1"
    assert target.sql(proof) == [("b0", 6), ("b1", 1)]


def test_what_was_erased_comes_back_with_a_rollback(target):
    table = outputs(PAIR, [(1, "a")])
    send(target, table, **KEYED)
    session = session_of(target, table, run_id="run2", token=2, **KEYED)
    session.erase("b", table)
    session.close()
    assert target.sql("SELECT * FROM t") == [(1, "a")]


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_rows_are_erased_in_other_modes_too(target, mode):
    send(target, outputs(PAIR, [(1, "a"), (1, "b"), (2, "c")]))
    session = session_of(target, outputs(PAIR, []), mode=mode, key=("id",), run_id="run2", token=2)
    session.write("b", outputs(PAIR, [(7, "x"), (8, "y")]))
    session.erase("b", outputs({"id": "integer"}, [(1,), (7,)]))
    session.commit()
    session.close()
    kept = [] if mode == "replace" else [(2, "c")]
    assert target.sql("SELECT * FROM t ORDER BY id") == [*kept, (8, "y")]


def test_mode_delete_removes_the_rows_of_its_keys(target):
    rows = [(number, region, "x") for number in range(5) for region in ("eu", "us")]
    types = {"id": "integer", "region": "text", "note": "text"}
    send(target, outputs(types, rows), mode="upsert", key=("id", "region"))
    gone = outputs(
        {**types, "why": "text"}, [(1, "eu", "x", "w"), (1, "eu", "y", "w"), (3, "us", None, None), (9, "eu", "", "")]
    )
    refused = send(target, gone, mode="delete", key=("id", "region"), run_id="run2", token=2)
    assert refused == [[]]
    left = target.sql("SELECT id, region FROM t ORDER BY id, region")
    assert left == [(n, r) for n, r, _ in rows if (n, r) not in {(1, "eu"), (3, "us")}]
    again = session_of(target, gone, mode="delete", key=("id", "region"), run_id="run2", token=2)
    assert again.applied()
    again.close()


def test_a_null_in_the_key_erases_nothing(target):
    send(target, outputs(PAIR, [(None, "without"), (1, "a")]))
    refused = send(target, outputs(PAIR, [(None, "x"), (1, "x")]), mode="delete", key=("id",), run_id="run2")
    assert [(one.row, one.code, one.field) for one in refused[0]] == [(0, "key.null", "id")]
    assert target.sql("SELECT name FROM t") == [("without",)]


def test_deleting_from_a_missing_table_makes_none(target):
    with pytest.raises(FatalError) as caught:
        send(target, outputs(PAIR, [(1, "a")]), mode="delete", key=("id",))
    assert caught.value.code == f"{target.name}.no_table"
    assert not target.has("t")


def test_erasing_without_a_key_is_an_error_and_not_everything(target):
    table = outputs(PAIR, [(1, "a"), (2, "b")])
    send(target, table)
    session = session_of(target, table, run_id="run2", token=2)
    with pytest.raises(FatalError) as caught:
        session.erase("b", table)
    session.close()
    assert caught.value.code == "sql.erase_no_key"
    assert target.sql("SELECT count(*) FROM t") == [(2,)]


def test_a_row_that_others_refer_to_is_refused_and_the_rest_goes(target):
    target.sql("CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    target.sql("CREATE TABLE lines (id bigint, t_id bigint REFERENCES t (id))")
    target.sql("INSERT INTO t SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (3, 'c')) AS v")
    target.sql("INSERT INTO lines VALUES (1, 2)")
    refused = send(target, outputs(PAIR, [(1, ""), (2, ""), (3, "")]), mode="delete", key=("id",))[0]
    assert [one.row for one in refused] == [1]
    assert refused[0].code == {"postgres": "postgres.23503", "duckdb": "duckdb.foreign_key"}.get(
        target.name, "sqlite.constraint_foreignkey"
    )
    assert target.sql("SELECT id FROM t") == [(2,)]


def test_an_older_version_never_overwrites_a_newer_one(target):
    send(target, outputs(VERSIONED, [(1, "new", 5), (2, "new", 5), (3, "none", None)]), key=("id",))
    session = session_of(target, outputs(VERSIONED, []), run_id="run2", token=2, version="v", **KEYED)
    late = outputs(VERSIONED, [(1, "late", 4), (2, "same", 5), (3, "first", 0), (4, "made", 1), (5, "x", None)])
    refused = session.write("b", late)
    assert [(one.row, one.code, one.field) for one in refused] == [(4, "version.null", "v")]
    assert session.more() == {"superseded": 1}
    session.commit()
    session.close()
    assert target.sql("SELECT * FROM t ORDER BY id") == [(1, "new", 5), (2, "same", 5), (3, "first", 0), (4, "made", 1)]
    proof = "SELECT \"rows\" FROM _dragoman_delivery WHERE batch_id = 'b'"
    assert target.sql(proof) == [(4,)]


@pytest.mark.parametrize("pieces", [1, 6], ids=["one batch", "a batch each"])
def test_versions_within_a_run_give_the_same_whatever_the_batches(target, pieces):
    rows = [(1, "b", 2), (1, "a", 1), (1, "c", 3), (1, "c2", 3), (2, "y", 9), (2, "x", 8)]
    table = outputs(VERSIONED, rows)
    session = session_of(target, table, version="v", **KEYED)
    size = len(rows) // pieces
    for at in range(pieces):
        assert session.write(f"b{at}", table.slice(at * size, size)) == []
    assert session.more() == {"superseded": 2}
    session.commit()
    session.close()
    assert target.sql("SELECT * FROM t ORDER BY id") == [(1, "c2", 3), (2, "y", 9)]


@pytest.mark.parametrize(
    ("kind", "older", "newer"),
    [
        ("timestamp", datetime(2026, 1, 2, 3, 4, 5), datetime(2026, 1, 2, 3, 4, 5, 1)),
        ("decimal(12,2)", Decimal("9.50"), Decimal("10.00")),
        ("text", "2026-01-02", "2026-01-10"),
    ],
)
def test_versions_of_other_types(target, kind, older, newer):
    if target.name == "sqlite" and kind.startswith("decimal"):
        target.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, v NUMERIC)")
    types = {"id": "integer", "v": kind}
    send(target, outputs(types, [(1, newer), (2, older)]), version="v", **KEYED)
    session = session_of(target, outputs(types, []), run_id="run2", token=2, version="v", **KEYED)
    assert session.write("b", outputs(types, [(1, older), (2, newer)])) == []
    assert session.more() == {"superseded": 1}
    session.commit()
    session.close()
    assert target.sql("SELECT count(DISTINCT v) FROM t") == [(1,)]


def test_insert_only_columns_are_left_alone_in_rows_that_are_there(target):
    types = {"id": "integer", "name": "text", "status": "text"}
    send(target, outputs(types, [(1, "a", "new")]), **KEYED)
    target.sql("UPDATE t SET status = 'paid'")
    second = outputs(types, [(1, "b", "new"), (2, "c", "new")])
    assert send(target, second, run_id="run2", insert_only=("status",), **KEYED) == [[]]
    assert target.sql("SELECT * FROM t ORDER BY id") == [(1, "b", "paid"), (2, "c", "new")]


def test_update_lists_what_is_overwritten_and_the_version_with_it(target):
    types = {"id": "integer", "name": "text", "status": "text", "v": "integer"}
    send(target, outputs(types, [(1, "a", "new", 1)]), **KEYED)
    second = outputs(types, [(1, "b", "reset", 2), (2, "c", "new", 1)])
    send(target, second, run_id="run2", update=("name",), version="v", **KEYED)
    send(target, outputs(types, [(1, "old", "reset", 1)]), run_id="run3", update=("name",), version="v", **KEYED)
    assert target.sql("SELECT * FROM t ORDER BY id") == [(1, "b", "new", 2), (2, "c", "new", 1)]


def test_update_of_nothing_inserts_what_is_missing(target):
    send(target, outputs(PAIR, [(1, "a")]), **KEYED)
    assert send(target, outputs(PAIR, [(1, "b"), (2, "c"), (2, "d")]), run_id="run2", update=(), **KEYED) == [[]]
    found = target.sql("SELECT * FROM t ORDER BY id")
    assert found[0] == (1, "a")
    assert len(found) == 2


def test_names_that_are_no_outputs_are_all_told(target):
    with pytest.raises(FatalError) as caught:
        send(target, outputs(PAIR, [(1, "a")]), version="nme", insert_only=("id", "zzz"), **KEYED)
    assert caught.value.code == "sql.upsert_column"
    assert "version: names 'nme' (did you mean 'name'?)" in caught.value.message
    assert "insert_only: names 'id', which is part of the key" in caught.value.message
    assert "'zzz'" in caught.value.message


def test_repeated_keys_in_one_batch_are_counted_one_by_one(target):
    rows = [(number % 100, f"{number}") for number in range(5_000)]
    assert send(target, outputs(PAIR, rows), **KEYED) == [[]]
    assert target.sql("SELECT count(*), min(name), max(name) FROM t") == [(100, "4900", "4999")]
    assert target.sql("SELECT \"rows\" FROM _dragoman_delivery WHERE batch_id <> ''") == [(5_000,)]


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_rows_that_a_trigger_leaves_out_without_a_word_are_rejects(target, mode):
    if target.name == "duckdb":
        pytest.skip("DuckDB has no triggers")
    target.sql("CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    if target.name == "sqlite":
        target.sql("CREATE TRIGGER g BEFORE INSERT ON t WHEN new.name = 'bad' BEGIN SELECT RAISE(IGNORE); END")
    else:
        target.sql(
            "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF new.name = 'bad' THEN RETURN NULL; END IF; RETURN new; END $$"
        )
        target.sql("CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g()")
    rows = [(number, "bad" if number in (0, 41, 99) else "good") for number in range(100)]
    refused = send(target, outputs(PAIR, rows), mode=mode, key=("id",))[0]
    assert [(one.row, one.code) for one in refused] == [(row, f"{target.name}.not_taken") for row in (0, 41, 99)]
    assert target.sql("SELECT count(*) FROM t") == [(97,)]
    assert target.sql("SELECT \"rows\" FROM _dragoman_delivery WHERE batch_id <> ''") == [(97,)]


def test_rows_that_a_trigger_keeps_from_being_erased_are_rejects(target):
    if target.name == "duckdb":
        pytest.skip("DuckDB has no triggers")
    target.sql("CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    target.sql("INSERT INTO t SELECT * FROM (VALUES (1, 'keep'), (2, 'b'), (3, 'c')) AS v")
    if target.name == "sqlite":
        target.sql("CREATE TRIGGER g BEFORE DELETE ON t WHEN old.name = 'keep' BEGIN SELECT RAISE(IGNORE); END")
    else:
        target.sql(
            "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF old.name = 'keep' THEN RETURN NULL; END IF; RETURN old; END $$"
        )
        target.sql("CREATE TRIGGER g BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION g()")
    refused = send(target, outputs(PAIR, [(1, ""), (2, ""), (3, "")]), mode="delete", key=("id",))[0]
    assert [(one.row, one.code) for one in refused] == [(0, f"{target.name}.not_taken")]
    assert target.sql("SELECT id FROM t") == [(1,)]


def test_erased_and_written_again_under_a_second_unique_key(target):
    target.sql("CREATE TABLE t (id bigint PRIMARY KEY, name text UNIQUE)")
    send(target, outputs(PAIR, [(1, "a"), (2, "b")]), **KEYED)
    session = session_of(target, outputs(PAIR, []), run_id="run2", token=2, **KEYED)
    assert session.erase("b", outputs(PAIR, [(1, None)])) == []
    assert session.write("b", outputs(PAIR, [(3, "a"), (1, "c")])) == []
    session.commit()
    session.close()
    assert target.sql("SELECT * FROM t ORDER BY id") == [(1, "c"), (2, "b"), (3, "a")]
    if target.name == "duckdb":
        with duckdb.connect(target.where, config=target.settings) as server:
            server.execute("CHECKPOINT")
