"""The commands of docs/operate.md, run as they stand there, each in the situation that it is for."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.testing.http_server import serve
from orders_api import LOST, OK, OrdersApi
from workshop import Workshop

PAGE = Path(__file__).parents[2] / "docs" / "operate.md"
CSV = "source: {connector: files, connection: inbox, path: orders.csv}"
CHECKED = "translate: {fields: {id: {from: id, type: integer}, name: {from: name}}}"
TO_LITE = "deliver: {connector: sqlite, connection: lite, table: orders}"
BY_TIME = "source: {connector: sqlite, connection: shop, table: orders, cursor: {column: seen, id: id}}"
UPSERT = "deliver: {connector: sqlite, connection: lite, table: orders, mode: upsert, key: [id]}"
STRICT = "policy: {max_rejects: {count: 0}}"


def blocks(title: str) -> list[list[str]]:
    """The commands of one section, block by block."""
    section = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(f"{title}\n"))
    return [block.strip().splitlines() for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)]


class Site(Workshop):
    """Runs lines of the page; ``values`` stand for the words in capitals."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.values: dict[str, str] = {}
        self.more: dict[str, str] = {}

    def shell(self, block: list[str], *, expect: int = 0) -> str:
        """The output of a block; every line has to end with the same exit code."""
        said = []
        for line in block:
            command = re.sub("REJECT|RUN|PID", lambda found: self.values[found[0]], line)
            program, *words = shlex.split(command)
            if program == "dragoman":
                done = self.run(*words, **self.more)
            else:
                done = subprocess.run(
                    ["/bin/sh", "-c", command],
                    env=self.environment(**self.more),
                    cwd=self.folder,
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
            assert done.returncode == expect, f"{command}\n{done.stdout}\n{done.stderr}"
            said.append(done.stdout + done.stderr)
        return "".join(said)

    def write(self, *lines: str) -> None:
        self.integration("orders", "\n".join(("integration: orders", *lines)) + "\n")

    def send(self, *rows: str) -> None:
        (self.folder / "inbox" / "orders.csv").write_text("\n".join(("id,name", *rows)) + "\n")

    def delivered(self) -> list[int]:
        path = self.folder / "out" / "lite.db"
        with sqlite3.connect(path) as database:
            if not database.execute("select 1 from sqlite_master where name = 'orders'").fetchone():
                return []
            return [row[0] for row in database.execute("select id from orders order by id")]

    def holder(self) -> int:
        """The process that has the lease, by the ledger."""
        path = self.folder / "home" / "ledger.db"
        if not path.exists():
            return 0
        with sqlite3.connect(path) as ledger:
            if not ledger.execute("select 1 from sqlite_master where name = 'dragoman_lease'").fetchone():
                return 0
            return next((row[0] for row in ledger.execute("select pid from dragoman_lease where host <> ''")), 0)

    def red(self) -> None:
        self.values["RUN"] = self.report("orders", expect=1)["run_id"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_page_has_the_sections_that_are_tried_here() -> None:
    titles = re.findall(r"^## (.*)$", PAGE.read_text(), flags=re.MULTILINE)
    assert titles == [
        "A red run",
        "A held run",
        "A stuck lease",
        "A connection that is down",
        "A full disk",
        "Read again, or from elsewhere",
        "Rejects: look, correct, replay",
        "In doubt",
    ]
    assert [len(blocks(title)) for title in titles] == [3, 4, 2, 2, 2, 2, 4, 3]


def test_a_red_run(site: Site) -> None:
    look, finish, give_up = blocks("A red run")
    site.write(CSV, CHECKED, UPSERT)
    site.red()
    assert "orders.csv" in site.shell(look)
    site.send("1,one")
    assert "done" in site.shell(finish)
    assert site.delivered() == [1]
    site.send("1,one", "2,two")
    site.red()
    assert "files.changed" in site.shell([finish[0]], expect=1)
    site.write(CSV.replace("}", ", reread: changed}"), CHECKED, UPSERT)
    assert "done" in site.shell(give_up)
    assert site.delivered() == [1, 2]


@pytest.mark.parametrize(("decision", "delivered"), [(1, [1, 2]), (2, [1]), (3, [])])
def test_a_held_run(site: Site, decision: int, delivered: list[int]) -> None:
    look, *_ = held = blocks("A held run")
    site.write(CSV, CHECKED, TO_LITE, STRICT)
    site.send("1,one", "two,two")
    site.red()
    assert "two" in site.shell(look)
    if decision == 1:
        mapping = CHECKED.replace("{from: id, type: integer}", "{from: \"replace(id, 'two', '2')\", type: integer}")
        site.write(CSV, mapping, TO_LITE, STRICT)
    site.shell(held[decision])
    assert site.delivered() == delivered
    site.write(CSV, CHECKED, TO_LITE)
    assert site.run("run", "orders").returncode == 0


def test_a_connection_that_is_down(site: Site, postgres: str) -> None:
    look, again = blocks("A connection that is down")
    site.more["DRAGOMAN_BREAKER"] = "failures=1"
    site.connections["dwh"] = "postgresql://127.0.0.1:1/none"
    site.write(CSV, CHECKED, "deliver: {connector: postgres, connection: dwh, table: public.orders, mode: append}")
    site.send("1,one")
    for code in ("postgres.unreachable", "connection.circuit_open"):
        assert code in site.run("run", "orders", **site.more).stderr
    shown = site.shell(look)
    assert "dwh" in shown
    assert "open" in shown
    site.connections["dwh"] = postgres
    assert "closed" in site.shell(again)
    assert site.run("run", "orders", **site.more).returncode == 0


def test_a_stuck_lease(site: Site) -> None:
    (look, end), again = blocks("A stuck lease")
    site.write(CSV, CHECKED, TO_LITE)
    site.send("1,one")
    hanging = subprocess.Popen(
        [sys.executable, "-m", "dragoman.cli", "run", "orders"],
        env=site.environment("deliver.prepared:1:sleep"),
        cwd=site.folder,
    )
    try:
        while site.holder() != hanging.pid:
            assert hanging.poll() is None
        refused = site.run("run", "orders").stderr
        assert "lease.held" in refused
        site.values["PID"] = re.findall(r"process (\d+) on", refused)[0]
        assert site.values["PID"] == str(hanging.pid)
        assert "run orders" in site.shell([look])
        site.shell([end])
        hanging.wait(10)
    finally:
        hanging.kill()
        hanging.wait()
    assert "done" in site.shell(again)
    assert site.delivered() == [1]


def test_a_full_disk(site: Site, small_disk: Path) -> None:
    look, mend = blocks("A full disk")
    site.more["DRAGOMAN_STAGE"] = str(small_disk / "stage")
    (small_disk / "stage").mkdir()
    filler = small_disk / "filler"
    filler.write_bytes(b"0" * 950_000)
    site.write(CSV, CHECKED, TO_LITE)
    site.send(*(f"{number},{os.urandom(300).hex()}" for number in range(1000)))
    done = site.run("run", "orders", **site.more)
    assert (done.returncode, "stage.disk_full" in done.stderr) == (1, True)
    assert re.search(r"9\d%", site.shell(look))
    filler.unlink()
    assert "done" in site.shell(mend)
    assert len(site.delivered()) == 1000


def test_read_again_or_from_elsewhere(site: Site) -> None:
    again, (show, put, reset) = blocks("Read again, or from elsewhere")
    site.connections["shop"] = f"sqlite:///{site.folder / 'shop.db'}"
    with sqlite3.connect(site.folder / "shop.db") as shop:
        shop.execute("create table orders (id integer primary key, seen text)")
        shop.executemany(
            "insert into orders values (?, ?)", [(day, f"2024-01-0{day} 12:00:00") for day in (1, 2, 3, 4)]
        )
    site.write(BY_TIME, UPSERT)
    assert site.report("orders")["read"] == 4
    assert "read 1 " in site.shell(again)
    assert "2024-01-04 12:00:00" in site.shell([show])
    assert "a person" in site.shell([put])
    assert site.report("orders")["read"] == 2
    site.shell([reset])
    assert site.report("orders")["read"] == 4
    assert site.delivered() == [1, 2, 3, 4]


def test_rejects_looked_at_corrected_and_replayed(site: Site) -> None:
    look, again, correct, dismiss = blocks("Rejects: look, correct, replay")
    site.write(CSV, CHECKED, TO_LITE)
    site.send("1,one", "two,two", "three,three", "four,four")
    site.report("orders")
    assert "which is no integer" in site.shell(look)
    assert len((site.folder / "rejects.jsonl").read_text().splitlines()) == 3
    mapping = CHECKED.replace("{from: id, type: integer}", "{from: \"replace(id, 'three', '3')\", type: integer}")
    site.write(CSV, mapping, TO_LITE)
    site.shell(again, expect=1)
    assert site.delivered() == [1, 3]
    two, four = (one["id"] for one in json.loads(site.run("rejects", "orders", "--json").stdout))
    site.values["REJECT"] = str(two)
    site.shell(correct)
    assert site.delivered() == [1, 2, 3]
    site.values["REJECT"] = str(four)
    site.shell(dismiss)
    assert site.run("rejects", "orders").stdout == "no open rejects of orders\n"


@pytest.mark.parametrize("arrived", [True, False])
def test_in_doubt(site: Site, *, arrived: bool) -> None:
    look, delivered, not_delivered = blocks("In doubt")
    api = OrdersApi(fault=lambda nth: LOST if nth == 2 else OK)
    with serve(api) as server:
        site.connections["api"] = f"{server.url}?allow_private=true"
        numbers = "translate: {fields: {number: {from: id, type: integer}}}"
        site.write(CSV, numbers, "deliver: {connector: http, connection: api, path: /orders}")
        site.send("1,one", "2,two", "3,three")
        site.red()
        assert "in_doubt" in site.shell(look)
        site.values["REJECT"] = str(json.loads(site.run("rejects", "orders", "--json").stdout)[0]["id"])
        if not arrived:
            api.orders = [one for one in api.orders if one["number"] != 2]
        site.shell(delivered if arrived else not_delivered)
        assert api.numbers == [1, 2, 3]
        assert site.run("rejects", "orders").stdout == "no open rejects of orders\n"
