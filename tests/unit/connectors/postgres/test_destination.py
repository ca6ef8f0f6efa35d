"""PostgreSQL as a destination: what is particular to it; the common contract is in tests/contract."""

from __future__ import annotations

import logging
from decimal import Decimal

import psycopg
import pyarrow as pa
import pytest

from dragoman.connectors.postgres.destination import open_destination
from dragoman.core.connection import parse_connection
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.fieldtype import arrow_field, parse_type
from dragoman.core.ports import DeliverRequest


def outputs(types, rows):
    schema = pa.schema([arrow_field(name, parse_type(kind)) for name, kind in types.items()])
    columns = zip(*rows, strict=True) if rows else [[] for _ in types]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def request_of(table, mode="append", key=(), run_id="r1", token=1, **more):
    return DeliverRequest(
        integration="orders",
        delivery="deliver",
        run_id=run_id,
        token=token,
        schema=table.schema,
        mode=mode,
        key=tuple(key),
        **more,
    )


def send(url, table, target="t", options=None, **how):
    destination = open_destination(parse_connection("db", url), {"table": target, **(options or {})})
    session = destination.deliver(request_of(table, **how))
    try:
        refused = session.write("b1", table)
        session.commit()
    finally:
        session.close()
    return refused


def sql(url, text, *values):
    with psycopg.connect(url, autocommit=True) as server:
        cursor = server.execute(text, values or None)
        return cursor.fetchall() if cursor.description else None


def test_refuses_every_value_that_the_column_would_change(postgres):
    sql(
        postgres,
        "CREATE TABLE t (id int, small smallint, amount numeric(6,2), name varchar(3), at timestamp(0), ratio real)",
    )
    types = {
        "id": "integer",
        "small": "integer",
        "amount": "decimal(12,4)",
        "name": "text",
        "at": "timestamp",
        "ratio": "double",
    }
    moment, fine = 1_700_000_000_000_000, 1_700_000_000_500_000
    rows = [
        (1, 1, Decimal("12.3400"), "abc", moment, 0.5),
        (2, 40_000, None, None, None, None),
        (3_000_000_000, 1, None, None, None, None),
        (4, 1, Decimal("12.3450"), None, None, None),
        (5, 1, Decimal("12345.0000"), None, None, None),
        (6, 1, None, "abc ", None, None),
        (7, 1, None, None, fine, None),
        (8, 1, None, None, None, 0.1),
        (9, None, None, "a\0b", None, None),
        (10, None, Decimal("-0.0100"), "é€x", None, float("nan")),
    ]
    refused = send(postgres, outputs(types, rows))
    assert [(one.row, one.code, one.field) for one in refused] == [
        (1, "postgres.22003", "small"),
        (2, "postgres.22003", "id"),
        (3, "postgres.22003", "amount"),
        (4, "postgres.22003", "amount"),
        (5, "postgres.22001", "name"),
        (6, "postgres.22008", "at"),
        (7, "postgres.22003", "ratio"),
        (8, "text.nul", "name"),
    ]
    assert sql(postgres, "SELECT id, amount::text, name FROM t ORDER BY id") == [
        (1, "12.34", "abc"),
        (10, "-0.01", "é€x"),
    ]


def test_the_server_reads_text_for_types_of_its_own(postgres):
    sql(postgres, "CREATE TYPE mood AS ENUM ('fair', 'foul')")
    sql(postgres, "CREATE TABLE t (id uuid, host inet, mood mood, doc jsonb, tags text[], note text)")
    types = {"id": "text", "host": "text", "mood": "text", "doc": "json", "tags": "text", "note": "text"}
    good = "11111111-2222-3333-4444-555555555555"
    rows = [
        (good, "10.0.0.1", "fair", '{"a": 12.50}', '{"x","y z"}', ""),
        (good, "10.0.0.999", "fair", "{}", "{}", None),
        (good, "10.0.0.1", "grim", "{}", "{}", 'quote " and\nline'),
        (good, "10.0.0.1", "foul", "{bad", "{}", None),
        (good, None, None, None, None, 'quote " and, \\. \nline'),
    ]
    refused = send(postgres, outputs(types, rows))
    assert [(one.row, one.code, one.field) for one in refused] == [
        (1, "postgres.22P02", "host"),
        (2, "postgres.22P02", "mood"),
        (3, "postgres.22P02", "doc"),
    ]
    assert sql(postgres, "SELECT host::text, mood::text, doc::text, tags::text, note FROM t") == [
        ("10.0.0.1/32", "fair", '{"a": 12.50}', '{x,"y z"}', ""),
        (None, None, None, None, 'quote " and, \\. \nline'),
    ]


def test_thousands_of_bad_rows_among_good_ones(postgres):
    sql(postgres, "CREATE TABLE t (id bigint PRIMARY KEY, n int CHECK (n <> 7))")
    rows = [(i, 7 if i % 500 == 0 else i % 5) for i in range(20_000)]
    refused = send(postgres, outputs({"id": "integer", "n": "integer"}, rows))
    assert [one.row for one in refused] == list(range(0, 20_000, 500))
    assert {one.code for one in refused} == {"postgres.23514"}
    assert sql(postgres, "SELECT count(*), sum(id) FROM t WHERE n <> 7") == [
        (19_960, sum(i for i in range(20_000) if i % 500))
    ]


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_a_foreign_key_is_named_by_row(postgres, mode):
    sql(postgres, "CREATE TABLE country (code text PRIMARY KEY)")
    sql(postgres, "INSERT INTO country VALUES ('fr')")
    sql(postgres, "CREATE TABLE t (id bigint PRIMARY KEY, country text REFERENCES country)")
    rows = [(i, "xx" if i in (3, 4, 90) else "fr") for i in range(100)]
    key = ("id",) if mode == "upsert" else ()
    refused = send(postgres, outputs({"id": "integer", "country": "text"}, rows), mode=mode, key=key)
    assert [(one.row, one.code) for one in refused] == [
        (3, "postgres.23503"),
        (4, "postgres.23503"),
        (90, "postgres.23503"),
    ]
    assert 'Key (country)=(xx) is not present in table "country".' in refused[0].answer
    assert sql(postgres, "SELECT count(*) FROM t") == [(97,)]


def test_columns_that_do_not_exist_and_types_that_do_not_fit(postgres):
    sql(postgres, "CREATE TABLE t (order_number text, amount numeric(12,2), day date)")
    with pytest.raises(FatalError) as caught:
        send(postgres, outputs({"order_numbr": "text", "nothing": "text"}, []))
    assert caught.value.code == "postgres.unknown_column"
    assert "'order_numbr' (did you mean 'order_number'?), 'nothing'" in caught.value.message
    with pytest.raises(FatalError) as caught:
        send(postgres, outputs({"amount": "text", "day": "text"}, []))
    assert caught.value.code == "postgres.type_mismatch"
    assert caught.value.next_step.endswith("amount: decimal(12,2), day: date")


def test_an_upsert_needs_a_unique_index(postgres):
    sql(postgres, "CREATE TABLE t (a int, b int)")
    sql(postgres, "CREATE UNIQUE INDEX ON t (a) WHERE b > 0")
    with pytest.raises(FatalError) as caught:
        send(postgres, outputs({"a": "integer", "b": "integer"}, [(1, 2)]), mode="upsert", key=("a",))
    assert caught.value.code == "postgres.no_unique_key"
    assert caught.value.next_step == 'CREATE UNIQUE INDEX ON "public"."t" ("a")'
    sql(postgres, caught.value.next_step)
    assert send(postgres, outputs({"a": "integer", "b": "integer"}, [(1, 2)]), mode="upsert", key=("a",)) == []


def test_the_server_s_own_equality_decides_which_keys_repeat(postgres):
    sql(postgres, "CREATE TABLE t (code char(4) PRIMARY KEY, n int)")
    rows = [("ab", 1), ("ab ", 2), ("c", 3)]
    assert send(postgres, outputs({"code": "text", "n": "integer"}, rows), mode="upsert", key=("code",)) == []
    assert sql(postgres, "SELECT code, n FROM t ORDER BY n") == [("ab  ", 2), ("c   ", 3)]


def test_replace_by_swap_keeps_grants_owner_comment_and_index_names(postgres):
    sql(postgres, "CREATE ROLE reader_of_t")
    sql(postgres, "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 5 CHECK (n < 100))")
    sql(postgres, "CREATE INDEX t_by_n ON t (n DESC)")
    sql(postgres, "COMMENT ON TABLE t IS 'it''s ours'")
    sql(postgres, "GRANT SELECT ON t TO reader_of_t WITH GRANT OPTION")
    sql(postgres, "INSERT INTO t VALUES (1, 1)")
    about = (
        "SELECT pg_get_userbyid(relowner), relacl::text, obj_description(oid), "
        "(SELECT array_agg(indexrelid::regclass::text ORDER BY 1) FROM pg_index WHERE indrelid = c.oid), "
        "(SELECT array_agg(conname::text ORDER BY 1) FROM pg_constraint WHERE conrelid = c.oid) "
        "FROM pg_class c WHERE oid = 't'::regclass"
    )
    before, oid = sql(postgres, about), sql(postgres, "SELECT 't'::regclass::oid")
    try:
        refused = send(postgres, outputs({"id": "integer", "n": "integer"}, [(2, 2), (3, 300)]), mode="replace")
        assert [one.code for one in refused] == ["postgres.23514"]
        assert sql(postgres, about) == before
        assert sql(postgres, "SELECT 't'::regclass::oid") != oid
        assert sql(postgres, "SELECT * FROM t") == [(2, 2)]
        left = "SELECT count(*) FROM pg_class WHERE relname LIKE '\\_dragoman\\_new%'"
        assert sql(postgres, left) == [(0,)]
    finally:
        sql(postgres, "DROP OWNED BY reader_of_t")
        sql(postgres, "DROP ROLE reader_of_t")


@pytest.mark.parametrize(
    "hanging",
    [
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE TABLE child (t bigint REFERENCES t)",
        "CREATE POLICY p ON t",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE t ADD COLUMN s serial",
        "ALTER TABLE t SET (fillfactor = 50)",
        "CREATE FUNCTION g(t) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_replace_keeps_the_table_where_something_hangs_on_it(postgres, hanging):
    sql(postgres, "CREATE TABLE t (id bigint PRIMARY KEY)")
    sql(postgres, hanging)
    sql(postgres, "INSERT INTO t VALUES (1)")
    oid = sql(postgres, "SELECT 't'::regclass::oid")
    assert send(postgres, outputs({"id": "integer"}, [(2,), (3,)]), mode="replace") == []
    assert sql(postgres, "SELECT 't'::regclass::oid") == oid
    assert sql(postgres, "SELECT id FROM t ORDER BY 1") == [(2,), (3,)]


def test_without_the_right_to_keep_the_proof(postgres, caplog):
    sql(postgres, "CREATE ROLE writer_of_t LOGIN")
    sql(postgres, "CREATE TABLE t (id bigint PRIMARY KEY)")
    sql(postgres, "GRANT SELECT, INSERT, UPDATE ON t TO writer_of_t")
    as_writer = postgres.replace("dragoman@", "writer_of_t@")
    table = outputs({"id": "integer"}, [(1,)])
    try:
        with pytest.raises(FatalError) as caught:
            send(as_writer, table)
        assert caught.value.code == "postgres.no_proof"
        assert 'GRANT USAGE, CREATE ON SCHEMA "public" TO writer_of_t' in caught.value.next_step
        with caplog.at_level(logging.WARNING):
            assert send(as_writer, table, mode="upsert", key=("id",)) == []
        assert "the same final state after retries" in caplog.text
        assert sql(postgres, "SELECT id FROM t") == [(1,)]
    finally:
        sql(postgres, "DROP OWNED BY writer_of_t")
        sql(postgres, "DROP ROLE writer_of_t")


def test_the_proof_may_live_in_a_schema_of_its_own(postgres):
    sql(postgres, "CREATE SCHEMA proofs")
    send(postgres, outputs({"id": "integer"}, [(1,)]), options={"delivery_schema": "proofs"}, token=7)
    assert sql(postgres, 'SELECT batch_id, token, "rows" FROM proofs._dragoman_delivery ORDER BY 1') == [
        ("", 7, 1),
        ("b1", 7, 1),
    ]
    destination = open_destination(parse_connection("db", postgres), {"table": "t", "delivery_schema": "proofs"})
    assert destination.last_token("orders", "deliver") == 7
    assert destination.last_token("orders", "other") == 0


def test_a_lock_that_another_holds_is_retried(postgres):
    sql(postgres, "CREATE TABLE t (id bigint)")
    with psycopg.connect(postgres) as other:
        other.execute("LOCK TABLE t")
        with pytest.raises(RetriableError) as caught:
            send(postgres, outputs({"id": "integer"}, [(1,)]), options={"lock_timeout": 0.05})
    assert caught.value.code == "postgres.55P03"


def test_a_server_that_ends_the_session_is_retried_and_nothing_stays(postgres):
    table = outputs({"id": "integer"}, [(1,)])
    session = open_destination(parse_connection("db", postgres), {"table": "t"}).deliver(request_of(table))
    session.write("b1", table)
    sql(postgres, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dragoman orders'")
    with pytest.raises(RetriableError):
        session.commit()
    session.close()
    assert sql(postgres, "SELECT to_regclass('t')") == [(None,)]
    assert send(postgres, table) == []


def test_nobody_listens_and_wrong_names_are_told_apart(postgres):
    table = outputs({"id": "integer"}, [(1,)])
    with pytest.raises(RetriableError) as caught:
        send("postgresql://dragoman:secret@127.0.0.1:1/x", table)
    assert caught.value.code == "postgres.unreachable"
    assert "secret" not in str(caught.value)
    with pytest.raises(FatalError) as wrong:
        send(postgres + "_no", table)
    assert wrong.value.code == "postgres.refused"


@pytest.mark.parametrize("name", ['t"; DROP TABLE x; --', "a.b.c", "1a", "a-b", ""])
def test_a_table_s_name_is_a_name(postgres, name):
    with pytest.raises(FatalError) as caught:
        send(postgres, outputs({"id": "integer"}, []), target=name)
    assert caught.value.code == "sql.identifier"


def test_a_constraint_that_is_checked_at_commit_ends_red(postgres):
    sql(postgres, "CREATE TABLE parent (id bigint PRIMARY KEY)")
    sql(postgres, "CREATE TABLE t (id bigint REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(FatalError) as caught:
        send(postgres, outputs({"id": "integer"}, [(1,)]))
    assert caught.value.code == "postgres.23503"
    assert sql(postgres, "SELECT count(*) FROM t") == [(0,)]
