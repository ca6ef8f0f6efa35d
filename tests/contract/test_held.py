"""A run held over its limit and resumed with a corrected mapping ends as if that had been right from the start."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.flow import Flow
from dragoman.language import load_flow
from dragoman.steps.decide import resume
from dragoman.steps.deliver import deliver
from dragoman.steps.extract import extract
from dragoman.steps.reconcile import reconcile
from dragoman.steps.translate import translate
from dragoman.steps.work import HeldError
from dragoman.steps.workplace import Workplace, open_workplace
from workshop import Workshop

LIMIT = "policy: {max_rejects: {count: 1}}"
ONE = f"""
integration: orders
source: {{connector: sqlite, connection: shop, table: orders, cursor: {{column: seen, id: id}}}}
translate: {{fields: {{id: id, price: {{from: PRICE, type: integer}}}}}}
deliver: {{connector: sqlite, connection: lite, table: orders, MODE}}
{LIMIT}
"""
LINES = f"""
integration: orders
source: {{connector: files, connection: inbox, path: orders.ndjson}}
translate: {{each: {{line: lines, atomic: false}}, fields: {{order: id, price: {{from: LINE, type: integer}}}}}}
deliver: {{connector: sqlite, connection: lite, table: orders, mode: append}}
{LIMIT}
"""
TWO = f"""
integration: orders
sources: {{orders: {{connector: sqlite, connection: shop, table: orders, cursor: {{column: seen, id: id}}}}}}
translations: {{all: {{from: orders, fields: {{id: id, price: {{from: PRICE, type: integer}}}}}}}}
deliveries:
  cheap: {{from: all, when: "price < 3", connector: sqlite, connection: lite, table: cheap}}
  rest: {{from: all, when: else, connector: files, connection: out, path: "rest.csv"}}
  every: {{from: all, connector: duckdb, connection: duck, table: orders}}
{LIMIT}
"""
SET = f"""
integration: orders
source: {{connector: sqlite, connection: shop, table: orders, cursor: {{column: seen, id: id}}}}
translate: {{sql: pick.sql, checks: {{priced: "price > LEAST"}}}}
deliver: {{connector: sqlite, connection: lite, table: orders}}
{LIMIT}
"""
WRONG = {"PRICE": "price", "LINE": "line.price", "LEAST": "2"}
RIGHT = {
    "PRICE": "\"replace(replace(price, 'one', '1'), 'two', '2')\"",
    "LINE": "\"replace(replace(line.price, 'one', '1'), 'two', '2')\"",
    "LEAST": "0",
}
FLOWS = {
    "append": ONE.replace("MODE", "mode: append"),
    "upsert": ONE.replace("MODE", "mode: upsert, key: [id]"),
    "replace": ONE.replace("MODE", "mode: replace").replace(", cursor: {column: seen, id: id}", ""),
    "lines": LINES,
    "several": TWO,
    "set": SET,
}


class Site(Workshop):
    """Five orders, of which some have a price that the wrong mapping cannot read, and one a price that none can."""

    def begin(self, flow: str) -> None:
        self.flow = FLOWS[flow]
        self.connections["shop"] = f"sqlite:///{self.folder / 'shop.db'}"
        prices = ["3", "4", "1", "2", "5"] if flow == "set" else ["3", "one", "two", "x", "5"]
        with sqlite3.connect(self.folder / "shop.db") as shop:
            shop.execute("create table orders (id integer primary key, seen integer, price text)")
            shop.executemany("insert into orders values (?, ?, ?)", [(n, n, price) for n, price in enumerate(prices)])
        (self.folder / "inbox" / "orders.ndjson").write_text(
            '{"id": 1, "lines": [{"price": "3"}, {"price": "one"}, {"price": "5"}]}\n'
            '{"id": 2, "lines": [{"price": "two"}, {"price": "x"}]}\n'
        )
        (self.folder / "integrations" / "orders").mkdir()
        (self.folder / "integrations" / "orders" / "pick.sql").write_text(
            "SELECT _rid, id, CAST(price AS BIGINT) AS price FROM source WHERE id < 4"
        )

    def write(self, words: dict[str, str]) -> None:
        text = self.flow
        for name, word in words.items():
            text = text.replace(name, word)
        self.integration("orders", text)

    def facts(self) -> dict[str, Any]:
        """All that is to be the same, whichever way it went."""
        report = json.loads(self.run("runs", "orders", "--json").stdout)[0]
        rejects = json.loads(self.run("rejects", "orders", "--json").stdout)
        kept = ("state", "read", "delivered", "rejected", "filtered", "in_doubt", "balanced", "nodes")
        with sqlite3.connect(self.folder / "home" / "ledger.db") as ledger:
            receipts = ledger.execute("select node, batch, rows from dragoman_receipt order by node, batch").fetchall()
            cursor = ledger.execute("select node, value from dragoman_cursor").fetchall()
            marks = ledger.execute("select node, key from dragoman_mark").fetchall()
        left = [{name: one[name] for name in one if name not in {"id", "run_id"}} for one in rejects]
        return {name: report[name] for name in kept} | {
            "rejects": left,
            "receipts": receipts,
            "cursor": cursor,
            "marks": marks,
            "there": self.there(),
            "verified": self.run("verify", "orders", "--all").returncode,
        }

    def there(self) -> dict[str, Any]:
        import duckdb

        found: dict[str, Any] = {}
        if (self.folder / "out" / "lite.db").exists():
            with sqlite3.connect(self.folder / "out" / "lite.db") as lite:
                for table in ("orders", "cheap"):
                    if lite.execute("select 1 from sqlite_master where name = ?", (table,)).fetchone():
                        found[table] = sorted(lite.execute(f"select * from {table}"))
        if (self.folder / "out" / "duck.duckdb").exists():
            with duckdb.connect(str(self.folder / "out" / "duck.duckdb"), read_only=True) as duck:
                found["duck"] = sorted(duck.execute("select * from orders").fetchall())
        rest = self.folder / "out" / "rest.csv"
        return found | ({"rest": rest.read_text()} if rest.exists() else {})

    @contextmanager
    def place(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
        for name, value in self.environment().items():
            if name.startswith(("AIRFLOW", "DRAGOMAN")):
                monkeypatch.setenv(name, value)
        place = open_workplace()
        try:
            yield place
        finally:
            place.close()


def by_command(site: Site, _patch: pytest.MonkeyPatch) -> None:
    report = site.report("orders", expect=1)
    assert report["state"] == "held"
    site.write(RIGHT)
    done = site.run("resume", report["run_id"])
    assert done.returncode == 0, done.stdout + done.stderr


def by_tasks(site: Site, patch: pytest.MonkeyPatch) -> None:
    """Each task as Airflow runs it: the lease and the ledger anew for each, the later ones of its DAG run as well."""
    file = site.folder / "integrations" / "orders.yaml"
    with pytest.raises(HeldError):
        tasks(site, patch, load_flow(file), "first")
    with site.place(patch) as place:
        run = place.ledger.runs("orders")[0]
        assert run.state == "held"
        site.write(RIGHT)
        resume(load_flow(file), place, run)
    tasks(site, patch, load_flow(file), "second")


def tasks(site: Site, patch: pytest.MonkeyPatch, flow: Flow, trigger: str) -> None:
    for source in flow.sources:
        with site.place(patch) as place:
            extract(flow, place, source.name, trigger=trigger)
    for spec in flow.translations:
        if spec.is_set:
            with site.place(patch) as place:
                translate(flow, place, spec.node, trigger=trigger)
    for delivery in flow.deliveries:
        with site.place(patch) as place:
            deliver(flow, place, delivery.node, trigger=trigger)
    with site.place(patch) as place:
        assert reconcile(flow, place, trigger=trigger)["state"] == "done"


@pytest.mark.parametrize("way", [by_command, by_tasks], ids=["command", "tasks"])
@pytest.mark.parametrize("flow", FLOWS)
def test_as_if_the_mapping_had_been_right(flow: str, way: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "held").mkdir()
    (tmp_path / "right").mkdir()
    held, right = Site(tmp_path / "held"), Site(tmp_path / "right")
    for site in (held, right):
        site.begin(flow)
    right.write(RIGHT)
    assert right.run("run", "orders").returncode == 0
    held.write(WRONG)
    way(held, monkeypatch)
    facts = held.facts()
    assert facts == right.facts()
    assert (facts["state"], facts["balanced"], facts["verified"]) == ("done", True, 0)
    assert facts["there"]
    assert facts["receipts"]
    assert [one["state"] for one in facts["rejects"]] == ["open"] * facts["rejected"]
    assert json.loads(held.run("run", "orders", "--json").stdout)["state"] in {"nothing_new", "done"}
