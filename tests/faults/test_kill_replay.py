"""A replay killed with -9 anywhere: the next one, or the next run, ends it, and each record arrives once."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workshop import Workshop

ROWS = 40
BAD = {3, 17, 31}
SOURCE = "source: {connector: files, connection: inbox, path: orders.csv}"
DESTINATIONS = {
    "sqlite": "deliver: {connector: sqlite, connection: lite, table: orders, mode: append}",
    "postgres": "deliver: {connector: postgres, connection: pg, table: public.orders, mode: append}",
    "file": 'deliver: {connector: files, connection: out, path: "orders.csv"}',
    "file_per_run": 'deliver: {connector: files, connection: out, path: "orders-{run}.csv"}',
}
WAY = [
    "replay.claimed",
    "extract.batch.written",
    "extract.batch.renamed",
    "replay.batch.recorded",
    "extract.sealed",
    "translate.batch.done",
    "deliver.batch.sent",
    "deliver.prepared",
    "deliver.committed",
    "deliver.recorded",
    "reconcile.judged",
    "reconcile.closed",
]
CASES = [("sqlite", name) for name in WAY]
CASES += [("postgres", name) for name in ("deliver.prepared", "deliver.committed", "deliver.recorded")]
CASES += [
    (kind, name)
    for kind in ("file", "file_per_run")
    for name in ("deliver.prepared", "files.published", "deliver.committed")
]


class Site(Workshop):
    """An integration with three bad records, whose mapping can be corrected."""

    def write(self, destination: str, amount: str = "amount", more: str = "") -> None:
        mapping = (
            f'translate: {{fields: {{id: {{from: id, type: integer}}, amount: {{from: "{amount}", type: double}}}}}}'
        )
        self.integration(
            "orders", f"integration: orders\n{SOURCE[:-1]}{more}}}\n{mapping}\n{DESTINATIONS[destination]}\n"
        )

    def send(self) -> None:
        rows = [f"{number},{'twelve' if number in BAD else number}" for number in range(ROWS)]
        (self.folder / "inbox" / "orders.csv").write_text("\n".join(["id,amount", *rows]) + "\n")

    def delivered(self, destination: str) -> list[int]:
        if destination == "sqlite":
            with sqlite3.connect(self.folder / "out" / "lite.db") as db:
                return sorted(row[0] for row in db.execute("SELECT id FROM orders"))
        if destination == "postgres":
            import psycopg

            with psycopg.connect(self.connections["pg"]) as db:
                return sorted(row[0] for row in db.execute("SELECT id FROM public.orders").fetchall())
        files = sorted((self.folder / "out").glob("orders*.csv"))
        return sorted(int(line.split(",")[0]) for path in files for line in path.read_text().splitlines()[1:])

    def holder(self) -> int:
        """The process that has the lease."""
        with sqlite3.connect(self.folder / "home" / "ledger.db") as ledger:
            return next((row[0] for row in ledger.execute("SELECT pid FROM dragoman_lease WHERE host <> ''")), 0)

    def prepared(self) -> bool:
        """Whether a delivery is at its commit."""
        with sqlite3.connect(self.folder / "home" / "ledger.db") as ledger:
            return bool(ledger.execute("SELECT 1 FROM dragoman_node WHERE state = 'prepared'").fetchone())

    def states(self) -> list[str]:
        with sqlite3.connect(self.folder / "home" / "ledger.db") as ledger:
            return [row[0] for row in ledger.execute("SELECT state FROM dragoman_reject ORDER BY id")]


def site_of(tmp_path: Path, destination: str, request: pytest.FixtureRequest) -> Site:
    site = Site(tmp_path)
    if destination == "postgres":
        site.connections["pg"] = request.getfixturevalue("postgres")
    site.send()
    site.write(destination)
    assert site.report("orders")["rejected"] == len(BAD)
    site.write(destination, "replace(amount, 'twelve', '12')")
    return site


@pytest.mark.parametrize(("destination", "name"), CASES, ids=lambda value: value)
def test_a_killed_replay_ends_as_if_it_had_not_been_killed(
    destination: str, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    site = site_of(tmp_path, destination, request)
    killed = site.run("replay", "orders", "--all", failpoint=f"{name}:1:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    if name != "reconcile.closed":
        assert site.states() == ["replaying"] * len(BAD)

    again = site.run("replay", "orders", "--all", "--json")
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)
    assert (report["run_id"], report["chosen"]) == ("", 0)
    if name != "reconcile.closed":
        assert [(one["delivered"], one["kind"], one["balanced"]) for one in report["recovered"]] == [
            (3, "replay", True)
        ]
    assert site.delivered(destination) == list(range(ROWS))
    assert site.states() == ["replayed"] * len(BAD)
    assert site.report("orders")["state"] == "nothing_new"


@pytest.mark.parametrize("name", ["replay.claimed", "deliver.prepared", "deliver.committed"])
def test_the_next_run_ends_a_killed_replay_first(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    site = site_of(tmp_path, "sqlite", request)
    assert site.run("replay", "orders", "--all", failpoint=f"{name}:1:kill").returncode == -signal.SIGKILL
    report = site.report("orders")
    assert [(one["kind"], one["delivered"]) for one in report["recovered"]] == [("replay", 3)]
    assert report["state"] == "nothing_new"
    assert site.delivered("sqlite") == list(range(ROWS))


def test_a_replay_that_is_given_up_gives_its_claims_back(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    site = site_of(tmp_path, "sqlite", request)
    assert site.run("replay", "orders", "--all", failpoint="replay.batch.recorded:1:kill").returncode == -signal.SIGKILL
    run_id = json.loads(site.run("runs", "orders", "--json").stdout)[0]["run_id"]
    given_up = site.run("abandon", run_id)
    assert given_up.returncode == 0, given_up.stderr
    assert site.states() == ["open"] * len(BAD)
    assert site.run("replay", "orders", "--all").returncode == 0
    assert site.delivered("sqlite") == list(range(ROWS))


def test_a_replay_of_a_mapping_that_is_wrong_gives_its_claims_back(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    site = site_of(tmp_path, "sqlite", request)
    site.write("sqlite", "no_such_column")
    done = site.run("replay", "orders", "--all")
    assert done.returncode != 0
    assert site.states() == ["open"] * len(BAD)


def test_a_replay_that_waits_is_in_nobodys_way(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """It has delivered nothing, and what it needs is gone: a run goes on without it, and says so."""
    site = site_of(tmp_path, "sqlite", request)
    assert site.run("replay", "orders", "--all", failpoint="replay.claimed:1:kill").returncode == -signal.SIGKILL
    for path in (tmp_path / "home" / "stage").rglob("rejects-*"):
        path.unlink()
    with (tmp_path / "inbox" / "orders.csv").open("a"):
        pass
    report = site.report("orders", expect=1)
    assert report["state"] == "nothing_new"
    assert [one["error"]["code"] for one in report["recovered"]] == ["replay.no_original"]


def hanging(site: Site, words: list[str], failpoint: str, state: str) -> subprocess.Popen[bytes]:
    """A command that sleeps at a failpoint; waits until the rejects are in that state and it holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dragoman.cli", *words],
        env=site.environment(failpoint),
        cwd=site.folder,
        stderr=subprocess.DEVNULL,
    )
    while set(site.states()) != {state} or site.holder() != process.pid:
        assert process.poll() is None
        time.sleep(0.02)
    return process


def test_of_two_replays_at_once_one_sends(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    site = site_of(tmp_path, "sqlite", request)
    first = hanging(site, ["replay", "orders", "--all"], "deliver.prepared:1:sleep", "replaying")
    try:
        for words in (["replay", "orders", "--all"], ["run", "orders"]):
            refused = site.run(*words)
            assert refused.returncode == 1
            assert "lease.held" in refused.stderr
    finally:
        first.kill()
        first.wait()
    together = [
        subprocess.Popen(
            [sys.executable, "-m", "dragoman.cli", *words],
            env=site.environment(),
            cwd=site.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for words in (["replay", "orders", "--all"], ["replay", "orders", "--all"], ["run", "orders"])
    ]
    codes = [process.wait(60) for process in together]
    assert 0 in codes
    assert site.run("run", "orders").returncode == 0
    assert site.delivered("sqlite") == list(range(ROWS))
    assert site.states() == ["replayed"] * len(BAD)


def test_beside_a_live_run_a_replay_waits_its_turn(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    site = site_of(tmp_path, "sqlite", request)
    more = tmp_path / "inbox" / "orders.csv"
    more.write_text(more.read_text() + f"{ROWS},{ROWS}\n")
    site.write("sqlite", "replace(amount, 'twelve', '12')", ", reread: changed")
    live = hanging(site, ["run", "orders"], "deliver.prepared:1:sleep", "open")
    try:
        while not site.prepared():
            time.sleep(0.02)
        refused = site.run("replay", "orders", "--all")
        assert (refused.returncode, "lease.held" in refused.stderr) == (1, True)
    finally:
        live.kill()
        live.wait()
    refused = site.run("replay", "orders", "--all")
    assert (refused.returncode, "run.other_first" in refused.stderr) == (1, True)
    assert site.states() == ["open"] * len(BAD)
    assert site.run("run", "orders").returncode == 0
    assert site.run("replay", "orders", "--all").returncode == 0
    assert site.states() == ["replayed"] * len(BAD)
