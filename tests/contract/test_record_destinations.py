"""The contract of every destination of records, on the real systems.

A destination inherits these tests by a line in ``sql_targets.SYSTEMS``.
"""

from __future__ import annotations

import multiprocessing
import signal
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import parse_type
from dragoman.core.ports import DeliverRequest
from killed_delivery import deliver_and_die
from sql_targets import PAIR, SYSTEMS, outputs, request_of, send

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["killed_delivery", *(f"dragoman.connectors.{name}.destination" for name in SYSTEMS)])


def test_append_adds_exactly_the_rows_and_their_proof(target):
    first = outputs(PAIR, [(1, "a"), (2, None)])
    second = outputs(PAIR, [(3, "")])
    assert send(target, first, second, positions='{"source": {"value": "3"}}') == [[], []]
    assert send(target, first, run_id="run2", token=2) == [[]]
    assert target.sql("SELECT id, name FROM t ORDER BY id, name") == [(1, "a"), (1, "a"), (2, None), (2, None), (3, "")]
    proof = 'SELECT integration, delivery, batch_id, run_id, token, "rows" FROM _dragoman_delivery ORDER BY batch_id'
    assert target.sql(proof) == [
        ("orders", "deliver", "", "run2", 2, 2),
        ("orders", "deliver", "run1/0", "run1", 1, 2),
        ("orders", "deliver", "run1/1", "run1", 1, 1),
        ("orders", "deliver", "run2/0", "run2", 2, 2),
    ]


def test_hidden_columns_never_arrive(target):
    table = outputs({"id": "integer", "_rid": "integer", "_position": "text"}, [(1, 7, "x:1")])
    session = target.destination().deliver(request_of(table.select(["id"])))
    assert session.write("b", table) == []
    session.commit()
    session.close()
    assert target.sql("SELECT * FROM t") == [(1,)]


def test_upsert_the_later_wins_within_and_between_batches(target):
    types = {"id": "integer", "region": "text", "n": "integer"}
    first = outputs(types, [(1, "eu", 1), (2, "eu", 2), (1, "eu", 3), (1, "us", 4)])
    second = outputs(types, [(2, "eu", 5), (3, "eu", 6)])
    how = {"mode": "upsert", "key": ("id", "region")}
    assert send(target, first, second, **how) == [[], []]
    assert send(target, outputs(types, [(3, "eu", 7)]), run_id="run2", **how) == [[]]
    assert target.sql("SELECT * FROM t ORDER BY id, region") == [(1, "eu", 3), (1, "us", 4), (2, "eu", 5), (3, "eu", 7)]


def test_upsert_leaves_the_columns_that_it_does_not_name(target):
    target.sql("CREATE TABLE t (id bigint PRIMARY KEY, name text, status text)")
    target.sql("INSERT INTO t VALUES (1, 'old', 'paid')")
    assert send(target, outputs(PAIR, [(1, "new"), (2, "two")]), mode="upsert", key=("id",)) == [[]]
    assert target.sql("SELECT * FROM t ORDER BY id") == [(1, "new", "paid"), (2, "two", None)]


def test_upsert_of_keys_alone_changes_nothing(target):
    table = outputs({"id": "integer"}, [(1,), (1,), (2,)])
    assert send(target, table, mode="upsert", key=("id",)) == [[]]
    assert send(target, table, mode="upsert", key=("id",), run_id="run2") == [[]]
    assert target.sql("SELECT id FROM t ORDER BY id") == [(1,), (2,)]


def test_a_null_in_the_key_is_refused_alone(target):
    refused = send(target, outputs(PAIR, [(1, "a"), (None, "b"), (2, "c")]), mode="upsert", key=("id",))
    assert [(one.row, one.code, one.field) for one in refused[0]] == [(1, "key.null", "id")]
    assert target.sql("SELECT count(*) FROM t") == [(2,)]


def test_an_upsert_without_a_unique_index_says_which_one_to_make(target):
    target.sql("CREATE TABLE t (id bigint, name text)")
    with pytest.raises(FatalError) as caught:
        send(target, outputs(PAIR, [(1, "a")]), mode="upsert", key=("id",))
    assert caught.value.code == f"{target.name}.no_unique_key"
    target.sql(caught.value.next_step)
    assert send(target, outputs(PAIR, [(1, "a")]), mode="upsert", key=("id",)) == [[]]


def test_replace_leaves_only_the_new_rows_and_readers_never_see_it_empty(target):
    send(target, outputs(PAIR, [(1, "old"), (2, "old")]), key=("id",))
    session = target.destination().deliver(request_of(outputs(PAIR, []), mode="replace", run_id="run2"))
    session.write("b", outputs(PAIR, [(2, "new"), (9, "new")]))
    if target.name == "duckdb":
        with duckdb.connect(target.where, config=target.settings) as other:
            assert other.execute("SELECT count(*) FROM t").fetchall() == [(2,)]
    else:
        assert target.sql("SELECT count(*) FROM t WHERE name = 'old'") == [(2,)]
    session.commit()
    session.close()
    assert target.sql("SELECT * FROM t ORDER BY id") == [(2, "new"), (9, "new")]


def test_replace_by_nothing_empties_the_table(target):
    send(target, outputs(PAIR, [(1, "old")]))
    session = target.destination().deliver(request_of(outputs(PAIR, []), mode="replace", run_id="run2"))
    session.commit()
    session.close()
    assert target.sql("SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_refused_rows_are_named_and_the_rest_is_in(target, mode):
    target.sql("CREATE TABLE t (id bigint PRIMARY KEY, name text NOT NULL, n integer CHECK (n < 100))")
    rows = [(i, None if i in (3, 50) else "x", 100 + i if i in (0, 51, 99) else i % 9) for i in range(100)]
    rows.append((1, "again", 1))
    refused = send(target, outputs({**PAIR, "n": "integer"}, rows), mode=mode, key=("id",) if mode == "upsert" else ())[
        0
    ]
    bad = [0, 3, 50, 51, 99] + ([] if mode == "upsert" else [100])
    assert [one.row for one in refused] == bad
    assert all(one.code.startswith(f"{target.name}.") and one.message for one in refused)
    assert refused[1].field == "name"
    count, least = target.sql("SELECT count(*), min(id) FROM t")[0]
    assert (count, least) == (95, 1)
    assert target.sql("SELECT name FROM t WHERE id = 1") == [("again" if mode == "upsert" else "x",)]
    applied = "SELECT \"rows\" FROM _dragoman_delivery WHERE batch_id <> ''"
    assert target.sql(applied) == [(101 - len(bad),)]


def test_of_two_rows_with_one_key_the_earlier_stays_if_the_later_is_refused(target):
    target.sql("CREATE TABLE t (id bigint PRIMARY KEY, name text NOT NULL)")
    refused = send(target, outputs(PAIR, [(1, "good"), (1, None)]), mode="upsert", key=("id",))
    assert [one.row for one in refused[0]] == [1]
    assert target.sql("SELECT * FROM t") == [(1, "good")]


def test_applied_is_true_only_after_the_commit_and_nothing_is_sent_twice(target):
    table = outputs(PAIR, [(1, "a")])
    destination = target.destination()
    session = destination.deliver(request_of(table))
    assert not session.applied()
    session.write("run1/0", table)
    session.close()
    session = destination.deliver(request_of(table, token=2))
    assert not session.applied()
    session.write("run1/0", table)
    session.commit()
    session.close()
    session = destination.deliver(request_of(table, token=3))
    assert session.applied()
    with pytest.raises(FatalError):
        session.write("run1/0", table)
    session.close()
    session = destination.deliver(request_of(table, run_id="run2", token=3))
    assert not session.applied()
    session.close()
    destination.close()
    assert target.sql("SELECT count(*) FROM t") == [(1,)]


def test_a_run_that_delivers_nothing_is_applied_too(target):
    table = outputs(PAIR, [])
    session = target.destination().deliver(request_of(table, token=4))
    session.commit()
    session.close()
    session = target.destination().deliver(request_of(table, token=4))
    assert session.applied()
    session.close()
    assert target.destination().last_token("orders", "deliver") == 4


def test_a_lower_token_is_fenced_and_changes_nothing(target):
    table = outputs(PAIR, [(1, "a")])
    send(target, table, token=7)
    with pytest.raises(FatalError) as caught:
        target.destination().deliver(request_of(table, run_id="zombie", token=6))
    assert caught.value.code == "lease.fenced"
    assert target.destination().last_token("orders", "deliver") == 7
    send(target, table, run_id="run2", token=7)
    assert target.sql("SELECT count(*) FROM t") == [(2,)]


def test_asking_for_the_token_makes_nothing(target):
    assert target.destination().last_token("orders", "deliver") == 0
    if target.name != "postgres":
        assert not Path(target.where).exists()
    assert not target.has("_dragoman_delivery")


def test_rollback_leaves_neither_rows_nor_table_nor_proof(target):
    table = outputs(PAIR, [(1, "a")])
    session = target.destination().deliver(request_of(table))
    session.write("b", table)
    session.close()
    assert not target.has("t")
    assert not target.has("_dragoman_delivery") or target.sql("SELECT count(*) FROM _dragoman_delivery") == [(0,)]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("mode", ["append", "replace"])
def test_killed_around_the_commit(target, mode, when):
    send(target, outputs(PAIR, [(1, "a")]), key=("id",))
    process = FORKS.Process(target=deliver_and_die, args=(target.name, target.url, mode, when))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    killed = outputs(PAIR, [(5, "killed")])
    session = target.destination().deliver(request_of(killed, mode=mode, run_id="killed", token=10, key=("id",)))
    assert session.applied() is (when == "after")
    if when == "before":
        session.write("killed/0", killed)
        session.commit()
    session.close()
    kept = [] if mode == "replace" else [(1, "a")]
    assert target.sql("SELECT * FROM t ORDER BY id") == [*kept, (5, "killed")]


def test_columns_without_a_place_are_all_named(target):
    target.sql("CREATE TABLE t (id bigint, name text)")
    with pytest.raises(FatalError) as caught:
        send(target, outputs({"nme": "text", "id": "integer", "zzz": "text"}, []))
    assert caught.value.code == f"{target.name}.unknown_column"
    assert "'nme' (did you mean 'name'?), 'zzz'" in caught.value.message


@pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
def test_a_column_that_no_row_goes_without_is_named_before_the_first_row(target, mode):
    target.sql("CREATE TABLE t (id bigint PRIMARY KEY, name text, a text NOT NULL, b text NOT NULL DEFAULT 'x')")
    with pytest.raises(FatalError) as caught:
        send(target, outputs(PAIR, [(1, "a")]), mode=mode, key=["id"] if mode == "upsert" else ())
    assert caught.value.code == f"{target.name}.missing_column"
    assert "'a'" in caught.value.message
    assert "'b'" not in caught.value.message
    send(target, outputs({**PAIR, "a": "text"}, [(1, "a", "y")]), mode=mode, key=["id"] if mode == "upsert" else ())
    assert target.sql("SELECT * FROM t") == [(1, "a", "y", "x")]


def test_a_missing_table_is_made_only_if_asked(target):
    with pytest.raises(FatalError) as caught:
        send(target, outputs(PAIR, [(1, "a")]), create=False)
    assert caught.value.code == f"{target.name}.no_table"
    assert not target.has("t")


def test_text_never_becomes_a_number(target):
    target.sql("CREATE TABLE t (id integer, amount numeric(9,2))")
    with pytest.raises(FatalError) as caught:
        send(target, outputs({"id": "text", "amount": "text"}, [("007", "1.10")]))
    assert caught.value.code == f"{target.name}.type_mismatch"
    assert "'id' is text" in caught.value.message
    assert "'amount' is text" in caught.value.message


def test_decimals_beyond_the_column_s_scale_are_refused_not_rounded(target):
    target.sql("CREATE TABLE t (amount numeric(9,2))")
    rows = [(Decimal("12.5000"),), (Decimal("12.3450"),), (Decimal("-0.0100"),)]
    refused = send(target, outputs({"amount": "decimal(12,4)"}, rows))[0]
    found = [str(Decimal(str(row[0])).normalize()) for row in target.sql("SELECT amount FROM t ORDER BY amount DESC")]
    if target.name == "sqlite":  # it has no scale: all three are exact
        assert (refused, found) == ([], ["12.5", "12.345", "-0.01"])
    else:
        assert ([one.row for one in refused], found) == ([1], ["12.5", "-0.01"])


VALUES = {
    "text": ["", " ", "é€漢🜁", "quote \" and '", "a\nb\r\nc\td\\N", "\\.", "NULL", "x" * 70_000],
    "integer": [0, -1, 2**63 - 1, -(2**63)],
    "decimal(38,10)": [Decimal("9" * 28 + "." + "9" * 10), Decimal("-0.0000000001"), Decimal("12.5"), Decimal(0)],
    "decimal(38,0)": [Decimal("9" * 38), Decimal("-" + "9" * 38)],
    "double": [0.1, -0.0, 1e308, 5e-324, float("inf"), -float("inf"), 2.0**53 + 2],
    "boolean": [True, False],
    "date": [0, -719_162, 2_932_896, -800_000, 5_000_000],
    "time": [0, 1, 86_399_999_999],
    "timestamp": [0, -62_135_596_800_000_000, 253_402_300_799_999_999, 1_700_000_000_123_456],
    "timestamptz": [0, -62_135_596_800_000_000, 253_402_300_799_999_999, 1_700_000_000_123_456],
    "json": ['{"a": [1, null, "x"]}', "[]", '"text"', "12.50", "null"],
    "binary": [b"", b"\x00\xff", bytes(range(256))],
}
BACK = {
    "sqlite": {
        "decimal(38,10)": "v",
        "date": "v",
        "json": "v",
        "binary": "CASE WHEN v IS NOT NULL THEN hex(v) END",
        "boolean": "CASE v WHEN 1 THEN 'true' WHEN 0 THEN 'false' END",
    },
    "postgres": {"binary": "upper(encode(v, 'hex'))"},
    "duckdb": {"binary": "hex(v)"},
}


def expected(kind, value):
    """The value's one right text, said by Python and not by a database."""
    if value is None:
        return None
    if kind.startswith("decimal"):
        return f"{value:.{kind[:-1].rpartition(',')[2]}f}"
    if kind == "binary":
        return value.hex().upper()
    if kind == "boolean":
        return "true" if value else "false"
    if kind in {"date", "time", "timestamp", "timestamptz"}:
        text = pa.scalar(value, parse_type(kind).arrow).cast(pa.string()).as_py()
        return text.rstrip("Z")
    return str(value)


def same(kind, value, text):
    if value is None or text is None:
        return value is None and text is None
    if kind == "double":
        return float(str(text).replace("Infinity", "inf").replace("Inf", "inf")) == value
    if kind in {"time", "timestamp", "timestamptz"}:
        text = text.removesuffix("Z").removesuffix("+00")
        whole, _, fraction = text.partition(".")
        return f"{whole}.{fraction:0<6}" == expected(kind, value)
    if kind == "date":
        return date_of(text) == expected(kind, value)
    return str(text) == expected(kind, value)


def date_of(text):
    """ISO, with the years before 1 as astronomers count them (PostgreSQL and DuckDB write BC)."""
    if not text.endswith(("BC", "(BC)")):
        return text
    year, rest = text.split(" ")[0].split("-", 1)
    return f"-{int(year) - 1:04d}-{rest}"


@pytest.mark.parametrize("made", [True, False], ids=["made", "there"])
def test_every_value_arrives_as_it_was(target, made):
    """One table with a column per type, NULL among the values; what was sent is what the system's own client reads."""
    height = max(len(values) for values in VALUES.values()) + 1
    types = {"n": "integer"} | {f"c{number}": kind for number, kind in enumerate(VALUES)}
    columns = [list(range(height))] + [[*values, *[None] * (height - len(values))] for values in VALUES.values()]
    table = outputs(types, list(zip(*columns, strict=True)))
    if made:
        send(target, table.slice(0, 0))
    assert send(target, table, run_id="run2", token=2) == [[]]
    if target.name == "postgres":
        target.sql("ALTER DATABASE " + target.where.rpartition("/")[2] + " SET timezone = 'UTC'")
    for number, (kind, values) in enumerate(VALUES.items()):
        name = f"c{number}"
        shown = BACK[target.name].get(kind, "v")
        if target.name != "sqlite" or kind != "double":  # SQLite's own text of a double is not exact
            shown = f"CAST({shown} AS {'text' if target.name == 'sqlite' else 'varchar'})"
        found = target.sql(f"SELECT n, {shown} FROM (SELECT n, {name} AS v FROM t) AS x ORDER BY n")
        for (row, seen), sent in zip(found, [*values, *[None] * (height - len(values))], strict=True):
            assert same(kind, sent, seen), (kind, row, sent, seen)


def test_the_head_keeps_the_last_cursors(target):
    send(target, outputs(PAIR, [(1, "a")]), positions='{"source": {"value": "1"}}')
    send(target, outputs(PAIR, [(2, "a")]), run_id="run2", token=2, positions='{"source": {"value": "2"}}')
    head = "SELECT cursors, token FROM _dragoman_delivery WHERE batch_id = ''"
    assert target.sql(head) == [('{"source": {"value": "2"}}', 2)]


def test_the_positions_of_later_runs_are_given_oldest_first(target):
    assert target.destination().positions_since("orders", "deliver", 0) == []
    assert not target.has("_dragoman_delivery")
    for number in (1, 2, 3):
        table = outputs(PAIR, [(number, "a")])
        send(target, table, table, run_id=f"run{number}", token=number, positions=f'{{"source": {number}}}')
    send(target, outputs(PAIR, []), run_id="run4", token=4, positions='{"source": 4}')
    found = target.destination().positions_since("orders", "deliver", 2)
    assert found == [(f"run{number}", number, f'{{"source": {number}}}') for number in (2, 3, 4)]
    assert target.destination().positions_since("orders", "other", 0) == []


def test_two_deliveries_keep_their_proofs_apart(target):
    table = outputs(PAIR, [(1, "a")])
    send(target, table, token=9)
    other = DeliverRequest(
        integration="orders", delivery="other", run_id="run1", token=1, schema=table.schema, mode="append"
    )
    session = target.destination().deliver(other)
    assert not session.applied()
    session.close()
    assert target.destination().last_token("orders", "other") == 0


def test_old_proofs_are_forgotten_and_the_head_stays(target):
    table = outputs(PAIR, [(1, "a")])
    assert target.destination().forget("orders", "deliver", "20260103") == 0
    assert not target.has("_dragoman_delivery")
    for day in (1, 2, 3, 4):
        send(target, table, table, run_id=f"2026010{day}T000000-ab", token=day)
    assert target.destination().forget("orders", "other", "20260103") == 0
    assert target.destination().forget("orders", "deliver", "20260103T000000") == 4
    left = "SELECT DISTINCT run_id FROM _dragoman_delivery WHERE batch_id <> '' ORDER BY run_id"
    assert target.sql(left) == [("20260103T000000-ab",), ("20260104T000000-ab",)]
    assert target.destination().last_token("orders", "deliver") == 4
    with pytest.raises(FatalError):
        target.destination().deliver(request_of(table, run_id="zombie", token=3))
    assert target.destination().forget("orders", "deliver", "2027") == 4
    assert target.destination().last_token("orders", "deliver") == 4
    assert target.sql("SELECT count(*) FROM t") == [(8,)]
