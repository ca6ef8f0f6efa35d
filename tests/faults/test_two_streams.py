"""Several streams of one source: each with its own cursor, all moved together or not at all."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path

import pytest

from workshop import Workshop

TEXT = """
integration: shop
source:
  connector: sqlite
  connection: shop
  cursor: {column: at, id: id}
  streams: {orders: {table: orders}, lines: {table: lines}}
deliver: {connector: sqlite, connection: lite, table: "got_{stream}"}
"""


def put(path: Path, table: str, *rows: tuple[int, str]) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY, at TEXT)")
        db.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)


def got(folder: Path, table: str) -> list[int]:
    with sqlite3.connect(folder / "out" / "lite.db") as db:
        return [row[0] for row in db.execute(f"SELECT id FROM got_{table} ORDER BY id")]


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", ["extract.sealed", "deliver.prepared", "deliver.committed", "deliver.recorded"])
def test_each_stream_keeps_its_own_cursor_wherever_the_run_is_killed(point: str, nth: int, tmp_path: Path) -> None:
    shop, path = Workshop(tmp_path), tmp_path / "shop.db"
    shop.connections["shop"] = f"sqlite:///{path}"
    shop.integration("shop", TEXT)
    put(path, "orders", (1, "2024-01-01 10:00:00"), (2, "2024-01-01 11:00:00"))
    put(path, "lines", (1, "2024-01-01 09:00:00"))
    assert shop.report("shop")["delivered"] == 3
    put(path, "orders", (3, "2024-01-01 11:00:00"))
    put(path, "lines", (2, "2024-01-01 09:30:00"), (3, "2024-01-01 09:30:00"))
    killed = shop.run("run", "shop", failpoint=f"{point}:{nth}:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = {row["node"]: row["value"] for row in cursors(shop)}
    report = shop.report("shop")
    assert report["recovered"][0]["delivered"] == 3
    assert got(tmp_path, "orders") == got(tmp_path, "lines") == [1, 2, 3]
    after = {row["node"]: row["value"] for row in cursors(shop)}
    assert "11:00:00" in json.dumps(next(value for node, value in before.items() if node.endswith("orders")))
    assert "09:00:00" in json.dumps(next(value for node, value in before.items() if node.endswith("lines")))
    assert "09:30:00" in json.dumps(next(value for node, value in after.items() if node.endswith("lines")))


def cursors(shop: Workshop) -> list[dict]:
    return json.loads(shop.run("cursor", "show", "shop", "--json").stdout)
