"""PostgreSQL as a source: what is particular to it; the common contract is in tests/contract."""

from __future__ import annotations

import psycopg
import pytest

from dragoman.connectors.postgres.check import check_connection
from dragoman.connectors.postgres.source import open_source
from dragoman.core.connection import parse_connection
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.fieldtype import declared_type, words_of
from dragoman.core.ports import ReadRequest


def sql(url, *texts):
    with psycopg.connect(url, autocommit=True) as server:
        for text in texts:
            server.execute(text)


def read(url, cursor=None, **options):
    source = open_source(parse_connection("db", url), {"table": "t", **options} if "query" not in options else options)
    try:
        return list(source.read(ReadRequest(cursor=cursor)))
    finally:
        source.close()


def test_every_type_in_the_server_s_own_words(postgres):
    sql(
        postgres,
        "CREATE TYPE mood AS ENUM ('fair')",
        "CREATE DOMAIN small AS numeric(5,2)",
        "CREATE TABLE t (flag bool, amount numeric(38,10), any_amount numeric, small small, ratio float8, single real, "
        "day date, clock time, stamp timestamp, moment timestamptz, doc jsonb, raw json, bytes bytea, id uuid, "
        "mood mood, code char(4), tags int[], span interval)",
        "SET timezone = 'Asia/Kolkata'; "
        "INSERT INTO t VALUES (true, 1234567890.1234567890, 1e50, 12.5, 1e308, 0.1, '0044-03-15 BC', '23:59:59.5', "
        '\'infinity\', \'2024-05-01 12:00:00.123456\', \'{"b": 12.50, "a": null}\', \'{"b":1,  "a":"x"}\', '
        "'\\x00ff', '11111111-2222-3333-4444-555555555555', 'fair', 'ab', '{1,NULL}', '1 day 2 hours')",
        "INSERT INTO t (flag, doc) VALUES (false, 'null'), (NULL, NULL)",
    )
    table = read(postgres)[0].table
    assert table.slice(0, 1).to_pylist()[0] == {
        "flag": "true",
        "amount": "1234567890.1234567890",
        "any_amount": "1" + "0" * 50,
        "small": "12.50",
        "ratio": "1e+308",
        "single": "0.1",
        "day": "0044-03-15 BC",
        "clock": "23:59:59.5",
        "stamp": "infinity",
        "moment": "2024-05-01 06:30:00.123456+00",
        "doc": '{"a": null, "b": 12.50}',
        "raw": '{"b":1,  "a":"x"}',
        "bytes": "\\x00ff",
        "id": "11111111-2222-3333-4444-555555555555",
        "mood": "fair",
        "code": "ab  ",
        "tags": "{1,NULL}",
        "span": "1 day 02:00:00",
    }
    assert table.column("flag").to_pylist() == ["true", "false", None]
    assert table.column("doc").to_pylist()[1:] == ["null", None]
    declared = {field.name: str(declared_type(field) or "") for field in table.schema}
    assert declared == {
        "flag": "boolean",
        "amount": "decimal(38,10)",
        "any_amount": "",
        "small": "decimal(5,2)",
        "ratio": "double",
        "single": "double",
        "day": "date",
        "clock": "time",
        "stamp": "timestamp",
        "moment": "timestamptz",
        "doc": "json",
        "raw": "json",
        "bytes": "binary",
        **dict.fromkeys(("id", "mood", "code", "tags", "span"), ""),
    }
    assert [field.name for field in table.schema if words_of(field) == "json"] == ["doc", "raw"]


def test_one_value_larger_than_any_block(postgres):
    sql(postgres, "CREATE TABLE t AS SELECT repeat('x\n\"', 4000000) AS big, 1 AS n")
    batch = read(postgres)[0]
    assert batch.table.column("big")[0].as_py() == 'x\n"' * 4_000_000


def test_a_query_may_only_read(postgres):
    sql(postgres, "CREATE SEQUENCE s", "CREATE TABLE t (id int)")
    for query, code in [
        ("WITH gone AS (INSERT INTO t VALUES (1) RETURNING id) SELECT * FROM gone", "postgres.query"),
        ("SELECT nextval('s') AS n", "postgres.read_only"),
        ("SELECT 1 AS a, 2 AS a", "read.duplicate_column"),
    ]:
        with pytest.raises(FatalError) as caught:
            read(postgres, query=query)
        assert caught.value.code == code


def test_percent_signs_and_backslashes_in_queries_and_cursors(postgres):
    sql(postgres, "CREATE TABLE t (id text)", "INSERT INTO t VALUES ('a'), ('it''s \\ 100%'), ('z')")
    by_id = {"column": "id", "id": "id", "overlap": 0}
    got = read(
        postgres,
        cursor={"value": "it's \\ 100%", "id": "it's \\ 100%"},
        query="SELECT id FROM t WHERE id NOT LIKE 'a%'",
    )
    assert got[0].table.num_rows == 2
    source = open_source(parse_connection("db", postgres), {"table": "t", "cursor": by_id})
    committed = {"value": "it's \\ 100%", "id": "it's \\ 100%"}
    *batches, end = source.read(ReadRequest(cursor=committed))
    source.close()
    assert [batch.table.column("id").to_pylist() for batch in batches] == [["z"]]
    assert end.cursor == {"value": "z", "id": "z", "seen": ""}


def test_char_columns_as_cursors_are_not_cut(postgres):
    sql(postgres, "CREATE TABLE t (code char(4))", "INSERT INTO t VALUES ('ab'), ('abcd'), ('b')")
    source = open_source(
        parse_connection("db", postgres), {"table": "t", "cursor": {"column": "code", "id": "code", "overlap": 0}}
    )
    *batches, _ = source.read(ReadRequest(cursor={"value": "ab", "id": "ab"}))
    source.close()
    assert [batch.table.column("code").to_pylist() for batch in batches] == [["abcd", "b   "]]


def test_timestamps_keep_microseconds_and_no_session_s_zone(postgres):
    sql(postgres, f"ALTER DATABASE {postgres.rpartition('/')[2]} SET timezone = 'America/St_Johns'")
    sql(postgres, "CREATE TABLE t (at timestamptz NOT NULL)", "INSERT INTO t VALUES ('2024-03-10 07:00:00.000001Z')")
    source = open_source(
        parse_connection("db", postgres), {"table": "t", "cursor": {"column": "at", "id": "", "overlap": 0}}
    )
    bound = source.freeze(ReadRequest())
    assert bound == {"value": "2024-03-10 07:00:00.000001+00", "id": None}
    *batches, end = source.read(ReadRequest(bound=bound))
    source.close()
    assert batches[0].table.to_pylist() == [{"at": "2024-03-10 07:00:00.000001+00"}]
    assert end.cursor["value"] == "2024-03-10 07:00:00.000001+00"


def test_an_infinite_position_would_end_all_reading(postgres):
    sql(postgres, "CREATE TABLE t (at timestamp)", "INSERT INTO t VALUES ('infinity')")
    source = open_source(
        parse_connection("db", postgres), {"table": "t", "cursor": {"column": "at", "id": "", "overlap": 0}}
    )
    with pytest.raises(FatalError) as caught:
        source.freeze(ReadRequest())
    source.close()
    assert caught.value.code == "cursor.infinite"


def test_a_session_that_is_ended_while_reading_is_retried(postgres):
    sql(postgres, "CREATE TABLE t AS SELECT n, repeat('x', 1000) AS pad FROM generate_series(1, 30000) n")
    source = open_source(parse_connection("db", postgres), {"table": "t"})
    reading = source.read(ReadRequest(batch_rows=100))
    assert next(reading).table.num_rows == 100
    sql(postgres, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dragoman'")
    with pytest.raises(RetriableError):
        list(reading)
    source.close()


def test_a_reading_that_is_given_up_ends_at_once(postgres):
    sql(postgres, "CREATE TABLE t AS SELECT n FROM generate_series(1, 100000) n")
    source = open_source(parse_connection("db", postgres), {"table": "t"})
    reading = source.read(ReadRequest(batch_rows=10))
    next(reading)
    reading.close()
    source.close()
    with psycopg.connect(postgres) as server:
        left = server.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dragoman'").fetchone()
    assert left == (0,)


def test_check_says_who_answers(postgres):
    assert check_connection(parse_connection("db", postgres)).startswith("PostgreSQL 1")
    with pytest.raises(RetriableError):
        check_connection(parse_connection("db", "postgresql://x@127.0.0.1:1/y"))
