"""SQLite: what is particular to it; the common contracts are in tests/contract."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import pyarrow as pa
import pytest

from dragoman.connectors.sqlite.check import check_connection
from dragoman.connectors.sqlite.destination import open_destination
from dragoman.connectors.sqlite.source import open_source
from dragoman.core.connection import Connection, from_fields, parse_connection
from dragoman.core.errors import FatalError, RetriableError
from dragoman.core.ports import DeliverRequest, ReadRequest


def sql(path, text):
    with sqlite3.connect(path) as server:
        return server.execute(text).fetchall()


def send(connection, columns, mode="append", key=()):
    table = pa.table(columns)
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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.db"


@pytest.fixture
def connection(path):
    return parse_connection("db", f"sqlite:///{path}")


def test_every_way_to_write_the_path_names_the_same_file(path):
    by_schema = from_fields(
        "db", conn_type="sqlite", host=None, port=None, login=None, password=None, schema=str(path), extra={}
    )
    by_host = Connection("db", "sqlite", host=str(path))
    for connection in (
        parse_connection("db", f"sqlite:///{path}"),
        parse_connection("db", f"sqlite://{path}"),
        by_schema,
        by_host,
    ):
        assert str(path) in check_connection(connection)


def test_a_missing_folder_and_no_file_are_said(tmp_path):
    for text, code in [
        (f"sqlite:///{tmp_path}/no/out.db", "file.no_folder"),
        (f"sqlite:///{tmp_path}", "file.missing"),
        ("sqlite://", "file.missing"),
    ]:
        with pytest.raises(FatalError) as caught:
            send(parse_connection("db", text), {"id": [1]})
        assert caught.value.code == code
    source = open_source(parse_connection("db", f"sqlite:///{tmp_path}/none.db"), {"table": "t"})
    with pytest.raises(FatalError) as caught:
        list(source.read(ReadRequest()))
    assert caught.value.code == "file.missing"
    assert not (tmp_path / "none.db").exists()


def test_decimals_in_a_numeric_column_are_exact_or_refused(path, connection):
    sql(path, "CREATE TABLE t (amount numeric, ratio real)")
    values = [Decimal("12.50"), Decimal("0.10"), Decimal("12345678901234567.89"), Decimal("9007199254740993.00")]
    amounts = pa.array(values, pa.decimal128(20, 2))
    refused = send(connection, {"amount": amounts})
    assert [(one.row, one.code, one.field) for one in refused] == [
        (2, "sqlite.inexact", "amount"),
        (3, "sqlite.inexact", "amount"),
    ]
    assert sql(path, "SELECT amount FROM t") == [(12.5,), (0.1,)]


def test_not_a_number_would_become_null(connection):
    refused = send(connection, {"ratio": pa.array([1.0, float("nan")])})
    assert [(one.row, one.code) for one in refused] == [(1, "sqlite.inexact")]


def test_strict_tables_name_the_row(path, connection):
    sql(path, "CREATE TABLE t (id integer PRIMARY KEY, name text UNIQUE) STRICT")
    refused = send(connection, {"id": [1, 2, 3], "name": ["a", "a", "b"]})
    assert [(one.row, one.code, one.field) for one in refused] == [(1, "sqlite.constraint_unique", "name")]


def test_a_foreign_key_is_held(path, connection):
    sql(path, "CREATE TABLE country (code text PRIMARY KEY)")
    sql(path, "CREATE TABLE t (id integer, country text REFERENCES country)")
    sql(path, "INSERT INTO country VALUES ('fr')")
    refused = send(connection, {"id": [1, 2, 3], "country": ["fr", "xx", None]})
    assert [(one.row, one.code) for one in refused] == [(1, "sqlite.constraint_foreignkey")]


def test_another_writer_is_waited_for_and_then_retried(path):
    sql(path, "CREATE TABLE t (id integer)")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RetriableError) as caught:
        send(parse_connection("db", f"sqlite:///{path}?timeout=0.05"), {"id": [1]})
    other.close()
    assert caught.value.code == "sqlite.busy"


def test_a_file_that_is_no_database(path, connection):
    path.write_bytes(b"this is no database at all, only text " * 100)
    with pytest.raises(FatalError) as caught:
        send(connection, {"id": [1]})
    assert caught.value.code == "sqlite.notadb"
    with pytest.raises(FatalError):
        check_connection(connection)


def test_a_computed_column_takes_nothing(path, connection):
    sql(path, "CREATE TABLE t (id integer, twice integer GENERATED ALWAYS AS (id * 2))")
    with pytest.raises(FatalError) as caught:
        send(connection, {"id": [1], "twice": [2]})
    assert caught.value.code == "sqlite.generated_column"


def test_values_of_any_kind_give_their_own_words(path, connection):
    sql(path, "CREATE TABLE t (v)")
    with sqlite3.connect(path) as server:
        server.executemany("INSERT INTO t VALUES (?)", [(1,), (1.5,), ("007",), (b"\x00\xff",), (None,), (1e400,)])
    source = open_source(connection, {"table": "t"})
    batch, _ = source.read(ReadRequest())
    source.close()
    assert batch.table.column("v").to_pylist() == ["1", "1.5", "007", "\\x00ff", None, "Infinity"]


def test_three_slashes_are_no_path_at_the_root(tmp_path):
    with pytest.raises(FatalError) as caught:
        send(parse_connection("db", "sqlite:///relative.db"), {"id": [1]})
    assert (caught.value.code, "four slashes" in caught.value.next_step) == ("file.relative", True)


def test_columns_that_differ_in_case_only_are_told_apart_from_others(path, connection):
    with pytest.raises(FatalError) as caught:
        send(connection, {"ID": [1], "id": [2], "n": [3]})
    assert caught.value.code == "sql.column_case"
    assert "'ID', 'id'" in caught.value.message
    assert "fields:" in caught.value.next_step
    send(connection, {"Ä": [1], "ä": [2]})
    assert sql(path, "SELECT * FROM t") == [(1, 2)]
