"""Cursors against a database that goes on living: late commits, ties, writers at work, zones, failures.

Everything through the real command, from a real PostgreSQL into a file, appended: what came twice is there twice.
"""

from __future__ import annotations

import sqlite3
import threading

import psycopg
import pytest

from workshop import Workshop

TEXT = """
integration: orders
source: {{connector: postgres, connection: shop, table: orders, cursor: {cursor}}}
translate: {{fields: {{id: {{from: id, type: integer}}, name: name}}}}
deliver: {{connector: sqlite, connection: lite, table: orders, mode: append}}
"""
BY_TIME = "{column: changed, id: id}"
WITH_OVERLAP = "{column: changed, id: id, overlap: 15m}"


class Orders:
    """A table of orders, and what has arrived of it."""

    def __init__(self, folder, url, cursor=BY_TIME):
        self.shop, self.url = Workshop(folder, {"shop": url}), url
        self.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name text, changed timestamptz(6))")
        self.shop.integration("orders", TEXT.format(cursor=cursor))

    def open(self):
        return psycopg.connect(self.url)

    def sql(self, text, *values):
        with psycopg.connect(self.url, autocommit=True) as server:
            return server.execute(text, values).rowcount

    def add(self, number, changed):
        self.sql("INSERT INTO orders VALUES (%s, 'n', %s)", number, changed)

    def run(self, expect=0, failpoint=""):
        return self.shop.report("orders", expect=expect, failpoint=failpoint)

    def arrived(self):
        with sqlite3.connect(self.shop.folder / "out" / "lite.db") as server:
            return [row[0] for row in server.execute("SELECT id FROM orders ORDER BY id")]

    def cursor(self):
        with sqlite3.connect(self.shop.folder / "home" / "ledger.db") as ledger:
            return ledger.execute("SELECT value FROM dragoman_cursor").fetchall()


def test_a_transaction_that_commits_late_is_read_within_the_overlap(tmp_path, postgres):
    orders = Orders(tmp_path, postgres, WITH_OVERLAP)
    with orders.open() as late:
        late.execute("INSERT INTO orders VALUES (1, 'n', '2026-01-05 09:58:00Z')")
        orders.add(2, "2026-01-05 10:00:00Z")
        orders.run()
        assert orders.arrived() == [2]
        late.commit()
    assert orders.run()["filtered"] == 1
    orders.run()
    assert orders.arrived() == [1, 2]


def test_a_number_from_a_sequence_may_be_overtaken_too(tmp_path, postgres):
    orders = Orders(tmp_path, postgres, "{column: id, overlap: 100}")
    with orders.open() as late:
        late.execute("INSERT INTO orders VALUES (7, 'n', NULL)")
        orders.add(8, None)
        orders.run()
        late.commit()
    orders.run()
    orders.run()
    assert orders.arrived() == [7, 8]


def test_a_writer_that_never_rests_loses_nothing(tmp_path, postgres):
    """Rows are committed all the time, many with one and the same moment, while runs read."""
    orders, over, written = Orders(tmp_path, postgres), threading.Event(), []

    def write():
        with psycopg.connect(postgres, autocommit=True) as server:
            while not over.is_set():
                number = len(written) + 1
                server.execute(
                    "INSERT INTO orders VALUES (%s, 'n', date_trunc('second', clock_timestamp()))", (number,)
                )
                written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(4):
            orders.run()
    finally:
        over.set()
        writer.join()
    orders.run()
    assert orders.arrived() == written


def test_the_bound_is_kept_by_every_try(tmp_path, postgres):
    orders = Orders(tmp_path, postgres)
    orders.add(1, "2026-01-05 10:00:00Z")
    orders.run(expect=1, failpoint="extract.sealed:1:raise")
    orders.add(2, "2026-01-05 10:00:01Z")
    report = orders.run()
    assert [one["read"] for one in report["recovered"]] == [1]
    assert (report["read"], orders.arrived()) == (1, [1, 2])


def test_ties_over_the_borders_of_batches(tmp_path, postgres):
    orders = Orders(tmp_path, postgres)
    orders.sql(
        "INSERT INTO orders SELECT n, 'n', '2026-01-05 10:00Z' FROM generate_series(1, 70000) n WHERE n %% 2 = 0"
    )
    orders.run()
    orders.sql("INSERT INTO orders SELECT n, 'n', '2026-01-05 10:00Z' FROM generate_series(70001, 140000) n")
    orders.run()
    assert orders.arrived() == [*range(2, 70001, 2), *range(70001, 140001)]


def test_microseconds_are_kept_and_no_zone_of_a_session_moves_the_cursor(tmp_path, postgres):
    """The night in which an hour comes twice in Paris; the session's zone changes between the runs."""
    orders = Orders(tmp_path, postgres)
    name = postgres.rpartition("/")[2]
    moments = ["2025-10-26 00:59:59.999999Z", "2025-10-26 01:00:00.000001Z", "2025-10-26 01:00:00.000002Z"]
    for number, moment in enumerate(moments):
        orders.sql(f"ALTER DATABASE \"{name}\" SET timezone = '{['Europe/Paris', 'Asia/Kolkata', 'UTC'][number]}'")
        orders.add(number, moment)
        assert orders.run()["read"] == 1
        assert moment[:26] in orders.cursor()[0][0]
    assert orders.arrived() == [0, 1, 2]


def test_no_clock_of_ours_is_in_the_cursor(tmp_path, postgres):
    """A source whose clock is years ahead, and then goes back: what lies behind the cursor is read, whatever we think."""
    orders = Orders(tmp_path, postgres)
    orders.add(1, "2099-01-01 00:00:00Z")
    orders.run()
    orders.add(2, "2099-01-01 00:00:01Z")
    orders.run()
    assert orders.arrived() == [1, 2]


@pytest.mark.parametrize("point", ["extract.sealed", "deliver.prepared", "reconcile.judged"])
def test_a_run_that_fails_moves_no_cursor(tmp_path, postgres, point):
    orders = Orders(tmp_path, postgres)
    orders.add(1, "2026-01-05 10:00:00Z")
    orders.run()
    before = orders.cursor()
    orders.add(2, "2026-01-05 10:00:01Z")
    orders.run(expect=1, failpoint=f"{point}:1:raise")
    assert orders.cursor() == before
    orders.run()
    assert orders.cursor() != before
    assert orders.arrived() == [1, 2]


def test_a_row_without_a_cursor_is_said_each_time(tmp_path, postgres):
    orders = Orders(tmp_path, postgres)
    orders.add(1, "2026-01-05 10:00:00Z")
    orders.add(2, None)
    for read in (2, 1):
        report = orders.run()
        assert (report["read"], report["rejected"], report["balanced"]) == (read, 1, True)
    assert orders.arrived() == [1]


STREAMS = """
integration: orders
source:
  connector: postgres
  connection: shop
  cursor: {column: changed, id: id}
  streams: {orders: {table: orders}, returns: {table: returns}}
deliver: {connector: sqlite, connection: lite, table: "{stream}", mode: append}
"""


def test_each_stream_has_its_cursor_and_none_moves_alone(tmp_path, postgres):
    orders = Orders(tmp_path, postgres)
    orders.sql("CREATE TABLE returns (LIKE orders)")
    orders.shop.integration("orders", STREAMS)
    for table in ("orders", "returns"):
        orders.sql(f"INSERT INTO {table} VALUES (1, 'n', '2026-01-05 10:00Z')")
    orders.run(expect=1, failpoint="extract.sealed:2:raise")
    assert orders.cursor() == []
    orders.sql("INSERT INTO returns VALUES (2, 'n', '2026-01-05 11:00Z')")
    orders.run()
    assert len(orders.cursor()) == 2
    with sqlite3.connect(tmp_path / "out" / "lite.db") as server:
        assert server.execute("SELECT id FROM orders").fetchall() == [(1,)]
        assert server.execute("SELECT id FROM returns ORDER BY id").fetchall() == [(1,), (2,)]


COMPARE = """
integration: orders
source: {connector: postgres, connection: shop, table: orders, cursor: {column: changed, id: id}, deletes: compare}
translate: {fields: {id: id, name: name}}
deliver: {connector: postgres, connection: shop, table: copy, mode: upsert, key: id}
"""


def test_rows_and_keys_are_of_one_snapshot_while_a_writer_adds_and_deletes(tmp_path, postgres):
    orders, over = Orders(tmp_path, postgres), threading.Event()
    orders.shop.integration("orders", COMPARE)
    orders.sql("INSERT INTO orders SELECT n, 'n', now() - interval '1 hour' FROM generate_series(1, 5000) n")

    def write():
        with psycopg.connect(postgres, autocommit=True) as server:
            number = 5000
            while not over.wait(0.001) and number < 7000:  # fewer than half of all keys go, however slow the runs are
                number += 1
                server.execute("INSERT INTO orders VALUES (%s, 'n', clock_timestamp())", (number,))
                server.execute("DELETE FROM orders WHERE id = %s", (number - 5000 if number % 3 else number,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = [orders.run() for _ in range(3)]
    finally:
        over.set()
        writer.join()
    reports.append(orders.run())
    assert all(report["balanced"] for report in reports)
    assert sum(report["deleted"] for report in reports) > 0
    with psycopg.connect(postgres) as server:
        there, copied = (
            [row[0] for row in server.execute(f"SELECT id FROM {name} ORDER BY id").fetchall()]
            for name in ("orders", "copy")
        )
    assert copied == there
