"""DuckDB: what is particular to it; the common contracts are in tests/contract."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from dragoman.connectors.duckdb import session
from dragoman.connectors.duckdb.check import check_connection
from dragoman.connectors.duckdb.destination import open_destination
from dragoman.connectors.duckdb.source import open_source
from dragoman.core.connection import parse_connection
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.fieldtype import declared_type, words_of
from dragoman.core.ports import DeliverRequest, ReadRequest


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.duckdb"


@pytest.fixture
def connection(path):
    return parse_connection("db", f"duckdb:///{path}")


def sql(path, text):
    with duckdb.connect(str(path)) as server:
        return server.execute(text).fetchall()


def send(connection, columns, mode="append", key=()):
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    request = DeliverRequest(
        integration="i", delivery="d", run_id="r", token=1, schema=table.schema, mode=mode, key=tuple(key)
    )
    session = open_destination(connection, {"table": "t"}).deliver(request)
    try:
        refused = session.write("b", table)
        session.commit()
    finally:
        session.close()
    return refused


def read(connection, **options):
    source = open_source(connection, options)
    try:
        return list(source.read(ReadRequest()))
    finally:
        source.close()


def test_all_constraints_are_judged_before_the_insert(path, connection):
    sql(path, "CREATE TABLE country (code varchar PRIMARY KEY)")
    sql(path, "INSERT INTO country VALUES ('fr')")
    sql(
        path,
        "CREATE TABLE t (id integer PRIMARY KEY, n tinyint CHECK (n < 100), other integer UNIQUE, "
        "country varchar REFERENCES country, level integer CHECK (level < n))",
    )
    sql(path, "INSERT INTO t VALUES (1, 1, 1, 'fr', 0)")
    columns = {
        "id": [1, 2, 3, 4, 5, 6, 6, 7, 8],
        "n": [1, 300, 101, 1, 1, 5, 5, 1, None],
        "other": [10, 11, 12, 1, 13, 14, 15, 16, None],
        "country": ["fr", "fr", "fr", "fr", "xx", "fr", "fr", "fr", None],
        "level": [0, 0, 0, 0, 0, 0, 0, 1, None],
    }
    refused = send(connection, columns)
    assert [(one.row, one.code) for one in refused] == [
        (0, "duckdb.unique"),
        (1, "duckdb.conversion"),
        (2, "duckdb.check"),
        (3, "duckdb.unique"),
        (4, "duckdb.foreign_key"),
        (6, "duckdb.unique"),
        (7, "duckdb.check"),
    ]
    assert sql(path, "SELECT id FROM t ORDER BY id") == [(1,), (6,), (8,)]


def test_types_of_its_own_are_read_from_text(path, connection):
    sql(path, "CREATE TYPE mood AS ENUM ('fair')")
    sql(path, "CREATE TABLE t (id uuid, mood mood, doc json, tags integer[], big hugeint)")
    columns = {
        "id": ["11111111-2222-3333-4444-555555555555", "nope", None, None, None],
        "mood": ["fair", None, "foul", None, None],
        "doc": ['{"a": 12.50}', None, None, "{bad", None],
        "tags": ["[1, 2]", None, None, None, "x"],
        "big": pa.array([Decimal("9" * 38), None, None, None, None], pa.decimal128(38, 0)),
    }
    assert [(one.row, one.field) for one in send(connection, columns)] == [
        (1, "id"),
        (2, "mood"),
        (3, "doc"),
        (4, "tags"),
    ]
    batch, _ = read(connection, table="t")
    assert batch.table.to_pylist() == [
        {
            "id": "11111111-2222-3333-4444-555555555555",
            "mood": "fair",
            "doc": '{"a": 12.50}',
            "tags": "[1,2]",
            "big": "9" * 38,
        }
    ]
    assert [field.name for field in batch.table.schema if words_of(field) == "json"] == ["doc", "tags"]
    assert str(declared_type(batch.table.schema.field("big"))) == "decimal(38,0)"


def test_a_wide_number_as_cursor_is_ordered_as_a_number(path, connection):
    sql(path, "CREATE TABLE t (n hugeint)")
    sql(path, "INSERT INTO t VALUES (9), (10), (100)")
    *batches, end = read(connection, table="t", cursor={"column": "n", "id": "n", "overlap": 0})
    assert batches[0].table.column("n").to_pylist() == ["9", "10", "100"]
    assert end.cursor["value"] == "100"


def test_a_file_that_another_process_holds_is_waited_for_and_then_retried(path, connection, monkeypatch):
    monkeypatch.setattr(session, "PATIENCE", 0.0)
    sql(path, "CREATE TABLE t (id integer)")
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(RetriableError) as caught:
            send(connection, {"id": [1]})
        assert caught.value.code == "duckdb.busy"
        with pytest.raises(RetriableError):
            check_connection(connection)
        monkeypatch.setattr(session, "PATIENCE", 30.0)
        monkeypatch.setattr(session.clock, "sleep", lambda _seconds: other.poll() is None and other.communicate(b"\n"))
        assert send(connection, {"id": [1]}) == []
    finally:
        if other.poll() is None:
            other.communicate(b"\n")


def test_the_file_is_all_that_a_query_reaches(path, connection, tmp_path):
    sql(path, "CREATE TABLE t (id integer)")
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for query in (f"SELECT * FROM read_csv('{secret}')", f"SELECT * FROM '{secret}'"):
        with pytest.raises(FatalError) as caught:
            read(connection, query=query)
        assert "1" not in [str(row) for row in caught.value.args[1:]]
        assert caught.value.code in {"duckdb.permission", "duckdb.catalog", "duckdb.binder"}


def test_what_is_no_database_and_no_folder(path, connection, tmp_path):
    path.write_bytes(b"this is no database at all, only text " * 1000)
    with pytest.raises(FatalError) as caught:
        send(connection, {"id": [1]})
    assert caught.value.code == "duckdb.not_a_database"
    with pytest.raises(FatalError) as caught:
        send(parse_connection("db", f"duckdb:///{tmp_path}/no/x.duckdb"), {"id": [1]})
    assert caught.value.code == "file.no_folder"


def test_check_says_what_is_there(path, connection):
    assert "will be made" in check_connection(connection)
    sql(path, "CREATE TABLE t (id integer)")
    assert check_connection(connection).endswith(f"{path} with 1 tables")


def test_columns_that_differ_in_case_only_are_named(connection):
    with pytest.raises(FatalError) as caught:
        send(connection, {"ID": [1], "id": [2]})
    assert caught.value.code == "sql.column_case"
