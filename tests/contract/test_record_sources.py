"""The contract of every SQL source, on the real systems: nothing lost, nothing doubled, everything in its own words.

A source inherits these tests by a line in ``SYSTEMS``.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module

import duckdb
import psycopg
import pytest

from dragoman.core.batch import ReadEnd
from dragoman.core.connection import parse_connection
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import declared_type, words_of
from dragoman.core.ports import ReadRequest

SYSTEMS = ["postgres", "sqlite", "duckdb"]


@dataclass
class Origin:
    """One system: the tests write to it with its own client."""

    name: str
    url: str
    where: str

    def sql(self, *texts):
        if self.name == "sqlite":
            with sqlite3.connect(self.where) as server:
                for text in texts:
                    server.execute(text)
        elif self.name == "duckdb":
            with duckdb.connect(self.where) as server:
                for text in texts:
                    server.execute(text)
        else:
            with psycopg.connect(self.where, autocommit=True) as server:
                for text in texts:
                    server.execute(text)

    def open(self, **options):
        module = import_module(f"dragoman.connectors.{self.name}.source")
        if "query" not in options:
            options.setdefault("table", "t")
        return module.open_source(parse_connection("origin", self.url), options)


@pytest.fixture(params=SYSTEMS)
def origin(request, tmp_path):
    name = request.param
    if name == "postgres":
        url = request.getfixturevalue("postgres")
        return Origin(name, url, url)
    path = tmp_path / f"in.{name}"
    return Origin(name, f"{name}:///{path}", str(path))


class Read:
    """What one run read."""

    def __init__(self, source, cursor=None, bound=None, batch_rows=65_536):
        request = ReadRequest(cursor=cursor, batch_rows=batch_rows)
        try:
            self.bound = bound if bound is not None else source.freeze(request)
            request = ReadRequest(cursor=cursor, bound=self.bound, batch_rows=batch_rows)
            items = list(source.read(request))
        finally:
            source.close()
        self.end = items.pop()
        assert isinstance(self.end, ReadEnd)
        self.batches = items
        self.cursor = self.end.cursor
        self.rejects = [reject for batch in items for reject in batch.rejects]
        self.filtered = sum(batch.filtered.get("duplicate", 0) for batch in items)

    def column(self, name):
        return [value for batch in self.batches for value in batch.table.column(name).to_pylist()]

    def ids(self):
        return [int(value) for value in self.column("id")]


def run(origin, **options):
    return Read(origin.open(**options))


BY_TIME = {"column": "seen", "id": "id", "overlap": 0, "param": ""}


def make(origin, *rows):
    origin.sql(
        "CREATE TABLE t (id integer PRIMARY KEY, seen timestamp, name text)"
        if origin.name != "sqlite"
        else "CREATE TABLE t (id integer PRIMARY KEY, seen text, name text)"
    )
    add(origin, *rows)


def add(origin, *rows):
    for number, second in rows:
        origin.sql(f"INSERT INTO t VALUES ({number}, '2024-01-01 00:00:{second:02d}', 'n{number}')")


def test_without_a_cursor_all_is_read_in_batches(origin):
    origin.sql("CREATE TABLE t (id bigint, name text)")
    values = ", ".join(f"({number}, 'n{number}')" for number in range(5000))
    origin.sql(f"INSERT INTO t VALUES {values}")
    read = Read(origin.open(), batch_rows=2048)
    assert read.ids() == list(range(5000))
    assert read.bound is None
    assert (read.end.cursor, read.end.nothing_new) == (None, False)
    assert all(batch.table.num_rows <= 2048 for batch in read.batches)
    assert len(read.batches) >= 3
    firsts = [batch.first for batch in read.batches]
    assert firsts == [1 + sum(one.table.num_rows for one in read.batches[:at]) for at in range(len(firsts))]
    assert read.batches[0].origin == "t"


def test_null_empty_and_awkward_text_stay_apart(origin):
    origin.sql("CREATE TABLE t (id integer, name text)")
    texts = ["", "NULL", "a,b", 'say "x"', "line\nbreak\r\nend", "\\N", "\\.", " ", "é€漢🜁", "tab\t"]
    for number, text in enumerate(texts):
        origin.sql(f"INSERT INTO t VALUES ({number}, '{text}')")
    origin.sql(f"INSERT INTO t VALUES ({len(texts)}, NULL)")
    assert run(origin).column("name") == [*texts, None]
    assert run(origin, columns=["name"]).column("name") == [*texts, None]


def test_one_column_of_nulls_loses_no_row(origin):
    origin.sql("CREATE TABLE t (id integer, name text)", "INSERT INTO t VALUES (1, NULL), (2, ''), (3, NULL)")
    assert run(origin, columns=["name"]).column("name") == [None, "", None]
    assert run(origin, columns=["name"], cursor={"column": "id", "id": ""}).column("name") == [None, "", None]


def test_ties_at_the_boundary_are_neither_lost_nor_doubled(origin):
    make(origin, (1, 1), (2, 2), (3, 2))
    first = Read(origin.open(cursor=BY_TIME))
    add(origin, (5, 2), (4, 2), (6, 3))
    second = Read(origin.open(cursor=BY_TIME), first.cursor)
    third = Read(origin.open(cursor=BY_TIME), second.cursor)
    assert (first.ids(), second.ids(), third.ids()) == ([1, 2, 3], [4, 5, 6], [])
    assert third.end.nothing_new
    assert third.cursor == second.cursor


def test_what_comes_after_the_bound_waits_for_the_next_run(origin):
    make(origin, (1, 1), (2, 2))
    source = origin.open(cursor=BY_TIME)
    bound = source.freeze(ReadRequest())
    source.close()
    add(origin, (3, 2), (4, 3))
    tries = [Read(origin.open(cursor=BY_TIME), None, bound) for _ in range(2)]
    assert [one.ids() for one in tries] == [[1, 2], [1, 2]]
    assert Read(origin.open(cursor=BY_TIME), tries[0].cursor).ids() == [3, 4]


def test_without_an_id_a_late_tie_is_read_once(origin):
    by_time = {"column": "seen", "id": "", "overlap": 0}
    make(origin, (1, 1), (2, 2))
    first = Read(origin.open(cursor=by_time))
    add(origin, (3, 2))
    second = Read(origin.open(cursor=by_time), first.cursor)
    third = Read(origin.open(cursor=by_time), second.cursor)
    assert (first.ids(), second.ids(), third.ids()) == ([1, 2], [3], [])
    assert (first.filtered, second.filtered, third.filtered) == (0, 1, 2)


def test_equal_rows_are_counted_and_not_merged(origin):
    by_time = {"column": "id", "id": "", "overlap": 0}
    origin.sql("CREATE TABLE t (id integer, name text)", "INSERT INTO t VALUES (1, 'x'), (1, 'x')")
    first = Read(origin.open(cursor=by_time))
    origin.sql("INSERT INTO t VALUES (1, 'x')")
    second = Read(origin.open(cursor=by_time), first.cursor)
    assert (first.ids(), second.ids(), second.filtered) == ([1, 1], [1], 2)


@pytest.mark.parametrize("id_column", ["id", ""])
def test_the_overlap_brings_late_and_changed_rows_once(origin, id_column):
    late = {"column": "seen", "id": id_column, "overlap": 10.0}
    make(origin, (1, 1), (2, 20), (3, 25), (4, 30))
    first = Read(origin.open(cursor=late))
    add(origin, (5, 22), (6, 12), (7, 40))
    origin.sql("UPDATE t SET name = 'changed' WHERE id = 3")
    second = Read(origin.open(cursor=late), first.cursor)
    assert sorted(second.ids()) == [3, 5, 7]
    assert second.filtered == 2
    third = Read(origin.open(cursor=late), second.cursor)
    assert (third.ids(), third.filtered) == ([], 2)


def test_a_number_may_be_the_cursor(origin):
    by_id = {"column": "id", "id": "", "overlap": 2}
    make(origin, (1, 1), (2, 1), (5, 1))
    first = Read(origin.open(cursor=by_id))
    add(origin, (4, 1), (10, 1))
    second = Read(origin.open(cursor=by_id), first.cursor)
    assert (first.ids(), second.ids(), second.filtered) == ([1, 2, 5], [4, 10], 1)


def test_the_position_never_moves_back(origin):
    make(origin, (1, 1), (2, 5))
    first = Read(origin.open(cursor=BY_TIME))
    origin.sql("DELETE FROM t WHERE id = 2")
    second = Read(origin.open(cursor=BY_TIME), first.cursor)
    assert second.ids() == []
    assert second.cursor == first.cursor
    origin.sql("DELETE FROM t")
    assert Read(origin.open(cursor=BY_TIME), first.cursor).cursor == first.cursor


def test_an_empty_table_is_nothing_new(origin):
    make(origin)
    read = Read(origin.open(cursor=BY_TIME))
    assert (read.batches, read.cursor, read.end.nothing_new) == ([], None, True)


def test_rows_without_a_position_are_rejects(origin):
    make(origin, (1, 1))
    origin.sql("INSERT INTO t VALUES (7, NULL, 'lost?')")
    read = Read(origin.open(cursor=BY_TIME))
    assert read.ids() == [1]
    assert [(one.code, one.field, one.stage) for one in read.rejects] == [("cursor.null", "seen", "read")]
    assert "lost?" in read.rejects[0].original
    assert sum(batch.read for batch in read.batches) == 2


def test_a_query_is_one_select(origin):
    make(origin, (1, 1), (2, 2))
    query = "SELECT id, name AS label FROM t WHERE id > 1; -- the rest"
    with pytest.raises(FatalError):
        run(origin, query=query)
    read = run(origin, query="SELECT id, name AS label FROM t WHERE id > 1 -- all", cursor={"column": "id", "id": ""})
    assert read.column("label") == ["n2"]
    for bad in (
        "SELECT 1) AS x; DROP TABLE t; SELECT * FROM (SELECT 1",
        "SELECT 1; DROP TABLE t",
        "DELETE FROM t RETURNING id",
    ):
        with pytest.raises(FatalError) as caught:
            run(origin, query=bad)
        assert caught.value.code.startswith(f"{origin.name}.")
    assert run(origin).ids() == [1, 2]


def test_columns_that_are_not_there(origin):
    make(origin, (1, 1))
    for options in ({"columns": ["id", "nmae"]}, {"cursor": {"column": "nmae", "id": "id"}}):
        with pytest.raises(FatalError) as caught:
            run(origin, **options)
        assert caught.value.code == f"{origin.name}.unknown_column"
        assert "did you mean 'name'?" in caught.value.message
    with pytest.raises(FatalError):
        run(origin, table="nothing_here")


def test_an_overlap_over_plain_text_is_refused(origin):
    make(origin, (1, 1))
    with pytest.raises(FatalError) as caught:
        Read(origin.open(cursor={"column": "name", "id": "id", "overlap": 5.0}))
    assert caught.value.code == "cursor.overlap"


def test_numbers_keep_their_digits_and_say_their_type(origin):
    origin.sql(
        "CREATE TABLE t (n bigint, ratio double precision, ok boolean, amount decimal(20,4))",
        "INSERT INTO t VALUES (9223372036854775807, 0.1, true, 12.5)",
        "INSERT INTO t VALUES (-9223372036854775808, 1e308, false, NULL)",
    )
    read = run(origin)
    table = read.batches[0].table
    assert [int(value) for value in read.column("n")] == [2**63 - 1, -(2**63)]
    assert [float(value) for value in read.column("ratio")] == [0.1, 1e308]
    assert Decimal(read.column("amount")[0]) == Decimal("12.5")
    assert read.column("amount")[1] is None
    if origin.name == "duckdb":
        assert [str(field.type) for field in table.schema] == ["int64", "double", "bool", "decimal128(20, 4)"]
    else:
        assert [str(declared_type(field)) for field in table.schema] == [
            "integer",
            "double",
            "boolean",
            "decimal(20,4)",
        ]
        assert {words_of(field) for field in table.schema} == {"text"}
