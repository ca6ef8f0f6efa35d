"""The contract of every SQL source that reads one interval: its beginning is in, its end is not, and no cursor is left."""

from __future__ import annotations

import sqlite3
from importlib import import_module

import duckdb
import psycopg
import pytest

from dragoman.core.batch import ReadEnd
from dragoman.core.connection import parse_connection
from dragoman.core.errors import ConfigError
from dragoman.core.ports import ReadRequest

TYPES = {
    "postgres": {
        "instant": "timestamptz",
        "moment": "timestamp",
        "date": "date",
        "number": "numeric(12,2)",
        "text": "text",
    },
    "duckdb": {
        "instant": "timestamptz",
        "moment": "timestamp",
        "date": "date",
        "number": "decimal(12,2)",
        "text": "text",
    },
    "sqlite": {"instant": "text", "moment": "text", "date": "text", "number": "numeric", "text": "text"},
}
CLIENTS = {"postgres": psycopg.connect, "duckdb": duckdb.connect, "sqlite": sqlite3.connect}


@pytest.fixture(params=["postgres", "sqlite", "duckdb"])
def system(request, tmp_path):
    if request.param == "postgres":
        url = request.getfixturevalue("postgres")
        return request.param, url, url
    path = tmp_path / f"in.{request.param}"
    return request.param, f"{request.param}:///{path}", str(path)


def ids(system, kind, values, interval, **options):
    """Rows 1, 2, 3 … with the given cursor values, and one without; the ids that the interval reads."""
    name, url, where = system
    server = CLIENTS[name](where)
    server.execute(f"CREATE TABLE t (id integer, seen {TYPES[name][kind]})")
    for number, value in enumerate(values, start=1):
        quoted = value if isinstance(value, (int, float)) else f"'{value}'"
        server.execute(f"INSERT INTO t VALUES ({number}, {quoted})")
    server.execute("INSERT INTO t VALUES (99, NULL)")
    server.commit()
    server.close()
    cursor = {"column": "seen", "id": "id", "overlap": 0, "param": ""}
    module = import_module(f"dragoman.connectors.{name}.source")
    source = module.open_source(parse_connection("origin", url), {"table": "t", "cursor": cursor, **options})
    try:
        *batches, end = source.read(ReadRequest(interval=interval))
    finally:
        source.close()
    assert end == ReadEnd(nothing_new=True)
    assert not any(batch.rejects for batch in batches)
    return [int(value) for batch in batches for value in batch.table.column("id").to_pylist()]


MOMENTS = [
    "2024-01-01 23:59:59",
    "2024-01-02 00:00:00",
    "2024-01-02 00:00:00",
    "2024-01-02 23:59:59",
    "2024-01-03 00:00:00",
]


def zoned(mark):
    return [f"{value}{mark}" for value in MOMENTS]


@pytest.mark.parametrize("interval", [("2024-01-02", "2024-01-03"), ("2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z")])
def test_ties_at_the_beginning_are_in_and_those_at_the_end_are_not(system, interval):
    assert ids(system, "moment", MOMENTS, interval) == [2, 3, 4]


def test_moments_with_a_zone_are_compared_as_moments(system):
    interval = ("2024-01-02T02:00:00+02:00", "2024-01-03T00:00:00Z")
    assert ids(system, "instant", zoned("+00:00"), interval) == [2, 3, 4]


def test_a_moment_is_put_into_the_zone_of_the_source(system):
    interval = ("2024-01-01T23:00:00Z", "2024-01-02T23:00:00Z")
    assert ids(system, "moment", MOMENTS, interval, timezone="Europe/Paris") == [2, 3, 4]


def test_parts_of_a_second_are_on_the_right_side(system):
    values = [
        "2024-01-01 23:59:59.999999",
        "2024-01-02 00:00:00",
        "2024-01-02 23:59:59.999999",
        "2024-01-03 00:00:00.000001",
    ]
    assert ids(system, "moment", values, ("2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z")) == [2, 3]


def test_days_are_read_by_their_day_and_hours_between_them_tile(system):
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert ids(system, "date", days, ("2024-01-01T18:00:00Z", "2024-01-02T06:00:00Z")) == [1]


def test_two_hours_of_one_day_hold_no_other_day(system):
    assert ids(system, "date", ["2024-01-01", "2024-01-02"], ("2024-01-01T06:00:00Z", "2024-01-01T07:00:00Z")) == []


def test_numbers_are_compared_as_numbers(system):
    assert ids(system, "number", [8, 9, 10.5, 100], ("9", "100")) == [2, 3]


def test_other_text_is_compared_as_text(system):
    assert ids(system, "text", ["a1", "a2", "b1", "c1"], ("a2", "c1")) == [2, 3]


@pytest.mark.parametrize(
    ("kind", "values", "interval", "code"),
    [
        ("moment", MOMENTS, ("yesterday", "2024-01-03"), "backfill.bound"),
        ("number", [1, 2], ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"), "backfill.bound"),
        ("number", [1, 2], ("1", "nan"), "backfill.bound"),
        ("moment", MOMENTS, ("2024-01-03", "2024-01-02"), "backfill.interval"),
        ("number", [1, 2], ("2", "2"), "backfill.interval"),
        ("text", ["a", "b"], ("a", "a"), "backfill.interval"),
    ],
)
def test_ends_that_are_no_values_of_the_column_are_told(system, kind, values, interval, code):
    with pytest.raises(ConfigError) as raised:
        ids(system, kind, values, interval)
    assert raised.value.code == code
