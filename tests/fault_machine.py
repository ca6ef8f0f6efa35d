"""A source that changes at random, an integration that is stopped at random, and what must be there in the end."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from dragoman.core.failpoints import FAILPOINTS
from dragoman.testing.checker import Expected, judge, sqlite_rows
from dragoman.testing.faults import TARGET_FAULTS
from fault_cells import CellShop, Worker, claims_of
from fault_stories_rest import OF_ITEMS

OVERLAP = 60
INTEGRATION = f"""
integration: orders
source: {{connector: sqlite, connection: shop, table: orders, cursor: {{column: at, id: id, overlap: {OVERLAP}s}}}}
translate:
  fields: {{id: {{from: id, type: integer}}, amount: {{from: AMOUNT, type: integer}}, at: at}}
policy: {{max_rejects: {{count: 10000}}}}
"""
CORRECTED = "\"replace(amount, 'many', '-1')\""
TARGETS = {
    "sqlite": "deliver: {connector: sqlite, connection: lite, table: orders, mode: upsert, key: [id]}",
    "api": (
        "deliver: {connector: http, connection: api, path: /orders, key: [id], external_id: id, timeout: 1s, batch: 5, "
        "result: {items: results, match: {field: index, column: index}, status: status, ok: [ok]}}"
    ),
}
IDS = st.integers(0, 14)
FAULTS = sorted(set(TARGET_FAULTS) - OF_ITEMS - {"search_503", "size_413"})


class FaultMachine(RuleBasedStateMachine):
    """``source`` holds amount and second of each row; ``gone`` the ids of rows that were ever deleted or bad."""

    worker: Worker

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="dragoman-machine-"))
        self.shop = CellShop(self.folder)
        self.shop.command = self.worker.command
        self.source: dict[int, tuple[str, int]] = {}
        self.gone: set[int] = set()
        self.bad: set[int] = set()
        self.second = 1000
        self.version = 0
        self.target = ""
        self.corrected = False

    @initialize(place=st.sampled_from(sorted(TARGETS)))
    def begin(self, place: str) -> None:
        """An empty shop, and the destination of this life."""
        self.target = place
        self.shop.connections["shop"] = f"sqlite:///{self.folder / 'shop.db'}"
        with sqlite3.connect(self.folder / "shop.db") as db:
            db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, amount TEXT, at TEXT)")
        self.shop.api = self.worker.api({"external_id": "id"})
        self.shop.connections["api"] = f"{self.shop.api.url}?allow_private=true"
        self._map("amount")

    @rule(ids=st.sets(IDS, min_size=1, max_size=6), late=st.integers(0, OVERLAP - 1), step=st.integers(0, 90))
    def write(self, ids: set[int], late: int, step: int) -> None:
        """New or changed rows, all at one moment, which may lie before the newest one, within the overlap."""
        self.second += step
        self.version += 1
        for number in ids:
            self._put(number, str(self.version), self.second - late)

    @rule(number=IDS)
    def write_a_bad_one(self, number: int) -> None:
        """A row that cannot be translated."""
        self._put(number, "many", self.second)
        self.bad.add(number)
        self.gone.add(number)

    @rule(number=IDS)
    def remove(self, number: int) -> None:
        """A row is deleted in the source; whether it had arrived before is left open."""
        if self.source.pop(number, None):
            self.gone.add(number)
            with sqlite3.connect(self.folder / "shop.db") as db:
                db.execute("DELETE FROM orders WHERE id = ?", [number])

    @rule()
    def sync(self) -> None:
        """A run, to its end."""
        self._run("run", "orders", "--json")

    @rule(point=st.sampled_from(sorted(FAILPOINTS)), nth=st.integers(1, 3), action=st.sampled_from(["kill", "raise"]))
    def sync_and_stop(self, point: str, nth: int, action: str) -> None:
        """A run that ends at a failpoint, if it comes by."""
        self._run("run", "orders", "--json", failpoint=f"{point}:{nth}:{action}")

    @precondition(lambda self: self.target == "api")
    @rule(fault=st.sampled_from(FAULTS), nth=st.integers(1, 3), point=st.sampled_from(["", *sorted(FAILPOINTS)]))
    def sync_against_a_bad_peer(self, fault: str, nth: int, point: str) -> None:
        """A run whose peer does wrong, and which may be killed besides."""
        self.shop.api.rules({"fault": fault, "nth": nth, "wait": 0.1})
        self._run("run", "orders", "--json", failpoint=f"{point}:1:kill" if point else "")
        self.shop.api.rules()

    @rule(begin=st.integers(0, 120), length=st.integers(1, 120))
    def backfill(self, begin: int, length: int) -> None:
        """One interval again; the live cursor stays."""
        start = self.second - begin
        self._run("run", "orders", "--from", moment(start), "--to", moment(start + length), "--json")

    @rule(point=st.sampled_from(["", *sorted(FAILPOINTS)]))
    def correct_the_mapping_and_replay(self, point: str) -> None:
        """From now on bad rows are good ones; those that were rejected are sent again, unless it is killed."""
        self.corrected = True
        self._map(CORRECTED)
        self._run("replay", "orders", "--all", "--json", failpoint=f"{point}:1:kill" if point else "")

    def teardown(self) -> None:
        """Drain, and judge."""
        try:
            if self.target:
                self._drain()
        finally:
            shutil.rmtree(self.folder)

    def _drain(self) -> None:
        codes = [self._run("run", "orders", "--json").returncode for _try in range(4)]
        if self.corrected:
            self._run("replay", "orders", "--all", "--json")
            codes.append(self._run("run", "orders", "--json").returncode)
        rows = [
            {"id": number, "amount": int(amount.replace("many", "-1"))}
            for number, (amount, _at) in self.source.items()
            if self.corrected or number not in self.bad
        ]
        rejected = set() if self.corrected else self.bad & set(self.source)
        expected = Expected.of(rows, ["id"], rejected=rejected, maybe=self.gone)
        found = (
            self.shop.api.rows("orders")
            if self.target == "api"
            else sqlite_rows(self.folder / "out" / "lite.db", "orders")
        )
        verdict = judge(expected, found, claims_of(self.shop), exit_code=codes[-1], counted=False)
        assert not verdict.faults, str(verdict)

    def _map(self, amount: str) -> None:
        self.shop.integration("orders", INTEGRATION.replace("AMOUNT", amount) + TARGETS[self.target] + "\n")

    def _put(self, number: int, amount: str, second: int) -> None:
        """A source's moments only grow for one row: a change never gets an older moment than the row had."""
        known = self.source.get(number)
        second = max(second, known[1]) if known else second
        self.source[number] = (amount, second)
        self.bad.discard(number)
        with sqlite3.connect(self.folder / "shop.db") as db:
            db.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", [number, amount, moment(second)])

    def _run(self, *words: str, failpoint: str = "") -> Any:
        done = self.shop.run(*words, failpoint=failpoint)
        assert done.returncode in {0, 1, -9}, f"{words} ended with {done.returncode}: {done.stderr[-500:]}"
        return done


def moment(second: int) -> str:
    """So many seconds of a day."""
    return f"2024-01-01 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
