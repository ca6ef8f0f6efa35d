"""An API that fails in every way, and the program killed with -9 at every commit point: nothing lost, nothing doubled.

Where the API can neither be asked nor take an order twice, what nobody can know is in doubt, and the run is red.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from dragoman.stage.store import Stage
from dragoman.testing.http_server import serve
from orders_api import AFTER, BEFORE, LOST, OK, OrdersApi
from workshop import Workshop

ORDERS = 8
BAD = frozenset({4})
HOW = {
    "idempotency": "idempotency: {header: Idempotency-Key}",
    "upsert": "external_id: number, mode: upsert, key: [number]",
    "read_back": 'read_back: {path: "/orders/{number}"}',
    "none": "timeout: 30s",
}
POINTS = (
    "deliver.intent.recorded:2:kill",
    "deliver.request.answered:2:kill",
    "deliver.outcomes.recorded:2:kill",
    "deliver.batch.settled:1:kill",
)
FAULTS = (OK, LOST, AFTER, BEFORE, "partial")


def shop_for(folder: Path, url: str, how: str, batch: int, *, orders: int = ORDERS, more: str = "") -> Workshop:
    shop = Workshop(folder)
    shop.connections["api"] = f"{url}?allow_private=true"
    lines = "".join(f"{number},{number}.50\n" for number in range(orders))
    (folder / "inbox" / "orders.csv").write_text("number,amount\n" + lines)
    size = f", batch: {batch}" if batch > 1 else ""
    shop.integration(
        "orders",
        f"""
integration: orders
source: {{connector: files, connection: inbox, path: orders.csv}}
translate: {{fields: {{number: {{from: number, type: integer}}, amount: {{from: amount, type: "decimal(9,2)"}}, sent_at: "now()"}}}}
deliver: {{connector: http, connection: api, path: /orders, {HOW[how]}{size}}}
{more}
""",
    )
    return shop


def named(shop: Workshop) -> dict[str, set[int]]:
    """The numbers of the rejected orders and of those in doubt, as the ledger and its stage have them."""
    stage = Stage(str(shop.folder / "home" / "stage"))
    found: dict[str, set[int]] = {"open": set(), "in_doubt": set()}
    with sqlite3.connect(shop.folder / "home" / "ledger.db") as ledger:
        for state, path, sha256, row in ledger.execute("SELECT state, path, sha256, row FROM dragoman_reject"):
            original = stage.load_rejects(path, sha256)[row].original or ""
            found[state].add(int(json.loads(original)["number"]))
    return found


def cells() -> list[tuple[str, str, str]]:
    """Every kind of API with every fault at every point; without ``DRAGOMAN_MATRIX=full`` a cut of it."""
    full = os.environ.get("DRAGOMAN_MATRIX") == "full"
    some = {OK, LOST, "partial"}
    return [
        (how, fault, point)
        for how in HOW
        for fault in FAULTS
        for point in POINTS
        if full or fault in some or point == POINTS[1]
    ]


@pytest.mark.parametrize(("how", "fault", "point"), cells())
def test_killed_while_the_api_fails(how: str, fault: str, point: str, tmp_path: Path) -> None:
    api = OrdersApi(how, fault=lambda nth: fault if nth == 2 and fault != "partial" else OK, bad=BAD)
    with serve(api) as server:
        shop = shop_for(tmp_path, server.url, how, 3 if fault == "partial" else 1)
        killed = shop.run("run", "orders", "--json", failpoint=point)
        assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
        again = shop.run("run", "orders", "--json")
        report = json.loads(again.stdout)
        first = report.get("recovered", [report])[0]
        wrong = named(shop)
        assert api.doubled == []
        assert wrong["open"] == BAD - wrong["in_doubt"]
        assert set(range(ORDERS)) - BAD - wrong["in_doubt"] <= set(api.numbers)
        assert first["read"] == ORDERS
        assert first["delivered"] == ORDERS - len(wrong["open"]) - len(wrong["in_doubt"])
        assert (first["rejected"], first["in_doubt"]) == (len(wrong["open"]), len(wrong["in_doubt"]))
        assert first["balanced"]
        if (how, fault) == ("none", LOST):
            assert wrong["in_doubt"]
        if how != "none":
            assert wrong["in_doubt"] == set()
            assert (first["state"], again.returncode) == ("done", 0)
        else:
            assert (first["state"] == "in_doubt") is bool(wrong["in_doubt"])
            assert (again.returncode == 1) is bool(wrong["in_doubt"])


def test_one_bad_order_of_five_hundred_stands_alone(tmp_path: Path) -> None:
    bad = frozenset({321})
    api = OrdersApi("idempotency", bad=bad, atomic=True)
    with serve(api) as server:
        shop = shop_for(tmp_path, server.url, "idempotency", 500, orders=500)
        report = shop.report("orders")
        assert (report["read"], report["delivered"], report["rejected"]) == (500, 499, 1)
        assert named(shop)["open"] == bad
        assert api.numbers == [number for number in range(500) if number not in bad]
        assert api.posts <= 1 + 2 * 9


def test_a_thousand_posts(tmp_path: Path) -> None:
    """60 failures, 10 bad orders, one kill -9: each good order is there once, and hardly a request too many was made."""
    bad = frozenset(range(50, 1000, 100))
    faults = dict.fromkeys(range(7, 1000, 50), LOST) | dict.fromkeys(range(23, 1000, 50), AFTER)
    faults |= dict.fromkeys(range(41, 1000, 50), BEFORE)
    assert (len(bad), len(faults)) == (10, 60)
    api = OrdersApi("idempotency", fault=lambda nth: faults.get(nth, OK), bad=bad)
    with serve(api) as server:
        shop = shop_for(tmp_path, server.url, "idempotency", 1, orders=1000)
        killed = shop.run("run", "orders", failpoint="deliver.request.answered:500:kill")
        assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
        first = shop.report("orders")["recovered"][0]
        assert (first["read"], first["delivered"], first["rejected"], first["in_doubt"]) == (1000, 990, 10, 0)
        assert first["state"] == "done"
        assert api.numbers == [number for number in range(1000) if number not in bad]
        assert named(shop) == {"open": bad, "in_doubt": set()}
        assert api.posts <= 1070
        posts = api.posts
        assert shop.report("orders")["state"] == "nothing_new"
        assert api.posts == posts


@pytest.mark.parametrize("point", ["deliver.request.answered:5:kill", "deliver.batch.settled:1:kill"])
def test_an_api_beside_a_database(point: str, tmp_path: Path) -> None:
    """Two deliveries of one run: each record is in both once, whichever the kill struck; lines are items of their own."""
    api = OrdersApi("idempotency", fault=lambda nth: LOST if nth == 3 else OK)
    with serve(api) as server:
        shop = Workshop(tmp_path)
        shop.connections["api"] = f"{server.url}?allow_private=true"
        orders = [{"id": at, "lines": [{"n": at * 10 + line} for line in range(2)]} for at in range(4)]
        (tmp_path / "inbox" / "orders.json").write_text(json.dumps(orders))
        shop.integration(
            "orders",
            """
integration: orders
sources: {orders: {connector: files, connection: inbox, path: orders.json}}
translations:
  lines: {from: orders, each: {line: lines}, fields: {number: {from: line.n, type: integer}, at: "now()"}}
deliveries:
  kept: {from: lines, connector: sqlite, connection: lite, table: lines}
  sent: {from: lines, connector: http, connection: api, path: /orders, idempotency: Idempotency-Key}
""",
        )
        killed = shop.run("run", "orders", failpoint=point)
        assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
        first = shop.report("orders")["recovered"][0]
        assert (first["state"], first["read"], first["delivered"], first["rejected"]) == ("done", 4, 16, 0)
        numbers = sorted(line["n"] for order in orders for line in order["lines"])
        assert api.numbers == numbers
        with sqlite3.connect(tmp_path / "out" / "lite.db") as kept:
            assert [row[0] for row in kept.execute("SELECT number FROM lines ORDER BY number")] == numbers
