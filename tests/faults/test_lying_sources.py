"""Sources that lie: each lie is red, leaves the cursor where it was and delivers nothing; the next run is exact.

The list has grown by three pages since the last run when the API begins to lie on the second of them.
"""

from __future__ import annotations

import json
import sqlite3

import pytest

from dragoman.testing.fault_server import FaultServer
from dragoman.testing.http_server import serve
from workshop import Workshop

PAGING = {
    "offset": "{type: offset, size: 10}",
    "page": "{type: page, size: 10}",
    "cursor": "{type: cursor, next: meta.next, param: after, size: 10}",
    "next_link": "{type: next_link, next: meta.next, size: 10}",
}
TEXT = """
integration: orders
source:
  connector: http
  connection: api
  path: /lists/orders/%(name)s
  records: data
  paging: %(paging)s%(total)s
  cursor: {column: updated_at, id: id, param: updated_since}
translate: {fields: {id: {from: id, type: integer}, updated_at: updated_at}}
deliver: {connector: sqlite, connection: lite, table: orders}
"""
TOTAL = "\n  total: meta.total"
RED = "red"
EXACT = "exact"

ALWAYS_RED = ["s_html200", "s_err200", "s_empty_mid", "s_null_mid", "s_object_mid"]
RETRIED = ["s_429", "s_500", "s_reset", "s_trunc", "s_trunc_gz"]
NAMED = ("cursor", "next_link")
COUNTED = ("offset", "page")
ALL = (*COUNTED, *NAMED)
CASES = [
    *((fault, paging, "", RED) for fault in ALWAYS_RED for paging in ALL),
    *((fault, "offset", TOTAL, EXACT) for fault in RETRIED),
    *(("s_short_mid", paging, "", EXACT) for paging in ("offset", *NAMED)),
    *(("s_cap", paging, "", EXACT) for paging in ("offset", *NAMED)),
    *((fault, "page", TOTAL, RED) for fault in ("s_short_mid", "s_cap")),
    ("s_drift_del", "offset", "", RED),
    ("s_badjson", "cursor", "", RED),
    *((fault, "offset", TOTAL, RED) for fault in ("s_drift_del", "s_total_changes", "s_total_wrong")),
    *((fault, "page", TOTAL, RED) for fault in ("s_drift_del", "s_total_changes", "s_total_wrong")),
    *(("s_repeat_token", paging, "", RED) for paging in NAMED),
    ("s_next_elsewhere", "next_link", "", RED),
    *(("s_next_missing", paging, TOTAL, RED) for paging in NAMED),
]


def orders(count):
    return [{"id": number, "updated_at": f"2026-01-05T10:{number:02d}:00Z"} for number in range(1, count + 1)]


class Shop:
    """The API, the integration that reads it, and what has arrived."""

    def __init__(self, folder, api, url, paging, total):
        self.shop = Workshop(folder, {"api": f"{url}?allow_private=true"})
        self.api = api
        self.shop.integration("orders", TEXT % {"name": paging, "paging": PAGING[paging], "total": total})

    def run(self):
        done = self.shop.run("run", "orders", "--json")
        return done.returncode, json.loads(done.stdout)

    def cursor(self):
        with sqlite3.connect(self.shop.folder / "home" / "ledger.db") as ledger:
            return ledger.execute("SELECT node, value, run_id FROM dragoman_cursor").fetchall()

    def arrived(self):
        with sqlite3.connect(self.shop.folder / "out" / "lite.db") as server:
            return [row[0] for row in server.execute("SELECT id FROM orders ORDER BY id")]


@pytest.mark.parametrize(
    ("fault", "paging", "total", "verdict"),
    CASES,
    ids=[f"{fault}-{paging}{'-total' if total else ''}" for fault, paging, total, _ in CASES],
)
def test_a_lie_is_red_or_does_no_harm(tmp_path, fault, paging, total, verdict):
    api = FaultServer()
    with serve(api) as server:
        shop = Shop(tmp_path, api, server.url, paging, total)
        api.lists.set("orders", orders(5))
        assert shop.run()[0] == 0
        before = shop.cursor()
        everything = orders(35)
        api.lists.set("orders", everything)
        api.rules.set([{"fault": fault, "nth": 2}])
        code, report = shop.run()
        if verdict == RED:
            assert (code, report["state"]) == (1, "failed"), report
            assert report["error"]["next"]
            assert shop.cursor() == before
            assert shop.arrived() == [one["id"] for one in orders(5)]
        else:
            assert (code, report["balanced"]) == (0, True), report
            assert shop.arrived()[:35] == [one["id"] for one in everything]
        api.rules.set([])
        api.lists.set("orders", everything)
        assert shop.run()[0] == 0
        assert [one for one in shop.arrived() if one <= 35] == [one["id"] for one in everything]
