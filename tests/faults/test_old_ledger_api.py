"""A ledger put back from an old backup, or lost, and an API that honours idempotency keys: nothing is taken twice."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from dragoman.testing.http_server import serve
from orders_api import OrdersApi
from workshop import Workshop

SOURCES = {
    "files": '{connector: files, connection: inbox, path: "*.csv"}',
    "cursor": "{connector: sqlite, connection: before, table: t, cursor: {column: changed, id: number}}",
}
INTEGRATION = """\
integration: orders
source: SOURCE
translate: {fields: {number: {from: number, type: integer}, name: name}}
deliver: {connector: http, connection: api, path: /orders, idempotency: Idempotency-KeyMORE}
"""


def bring(folder: Path, number: int, name: str = "first") -> None:
    (folder / "inbox" / f"{number}-{name}.csv").write_text(f"number,name\n{number},{name}\n")
    with sqlite3.connect(folder / "before.db") as db:
        db.execute("CREATE TABLE IF NOT EXISTS t (number INTEGER PRIMARY KEY, name TEXT, changed INTEGER)")
        db.execute("INSERT OR REPLACE INTO t SELECT ?, ?, count(*) + coalesce(max(changed), 0) FROM t", [number, name])


@pytest.mark.parametrize("key", ["", ", key: [number], mode: append"], ids=["without_key", "with_key"])
@pytest.mark.parametrize("source", SOURCES)
def test_what_an_old_ledger_sends_again_is_known_by_its_idempotency_key(source: str, key: str, tmp_path: Path) -> None:
    shop = Workshop(tmp_path, {"before": f"sqlite:///{tmp_path / 'before.db'}"})
    shop.integration("orders", INTEGRATION.replace("SOURCE", SOURCES[source]).replace("MORE", key))
    api = OrdersApi("idempotency")
    with serve(api) as server:
        shop.connections["api"] = f"{server.url}?allow_private=true"
        for number in range(3):
            bring(tmp_path, number)
        assert shop.report("orders")["delivered"] == 3
        shutil.copytree(tmp_path / "home", tmp_path / "backup")
        bring(tmp_path, 3)
        assert shop.report("orders")["delivered"] == 1
        for number, backup in ((4, tmp_path / "backup"), (5, None)):
            shutil.rmtree(tmp_path / "home")
            if backup:
                shutil.copytree(backup, tmp_path / "home")
            bring(tmp_path, number)
            assert shop.report("orders")["state"] == "done"
            assert api.numbers == list(range(number + 1))


def test_a_value_that_comes_back_is_taken_again(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, {"before": f"sqlite:///{tmp_path / 'before.db'}"})
    shop.integration("orders", INTEGRATION.replace("SOURCE", SOURCES["cursor"]).replace("MORE", ", key: [number]"))
    api = OrdersApi("idempotency")
    with serve(api) as server:
        shop.connections["api"] = f"{server.url}?allow_private=true"
        for name in ("open", "closed", "open"):
            bring(tmp_path, 1, name)
            assert shop.report("orders")["delivered"] == 1
    assert [order["name"] for order in api.orders] == ["open", "closed", "open"]
