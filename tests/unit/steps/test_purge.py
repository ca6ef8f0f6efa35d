"""The housekeeping, on both kinds of ledger and with a clock of our own."""

import json
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from dragoman.cli.main import main
from dragoman.core import clock
from dragoman.core.connection import EnvironmentConnections
from dragoman.core.errors import ConfigError, FatalError
from dragoman.language import load_flow
from dragoman.ledger import tables
from dragoman.ledger.ledger import open_ledger
from dragoman.stage.store import Stage
from dragoman.steps.decide import accept
from dragoman.steps.pinned import pinned_files
from dragoman.steps.proof.verify import verify_all
from dragoman.steps.purge import purge
from dragoman.steps.run import run
from dragoman.steps.work import HeldError
from dragoman.steps.workplace import Workplace
from shared_database import database, postgres

__all__ = ["database", "postgres"]

YAML = """\
integration: {name}
source: {{connector: files, connection: inbox, path: "{name}.csv", reread: always}}
translate:
  fields:
    id: {{from: id, type: integer, required: true}}
deliver: {{connector: sqlite, connection: {target}, table: {name}, mode: append}}
policy: {{{policy}}}
"""
ON_ONE_LEDGER = pytest.mark.parametrize("world", ["sqlite"], indirect=True)
"""Where the ledger's database makes no difference."""
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class World:
    """A folder of integrations, a place to work, and a clock that stands still."""

    def __init__(self, top, place, monkeypatch):
        self.top, self.place = top, place
        self.now = START
        monkeypatch.setattr(clock, "now", lambda: self.now)

    @property
    def folder(self):
        return self.top / "integrations"

    def write(self, name="orders", policy="allow_empty: false", target="lite"):
        path = self.folder / f"{name}.yaml"
        path.write_text(YAML.format(name=name, policy=policy, target=target))
        return load_flow(path)

    def run(self, flow, ids=(1, 2, 3)):
        """One run of its own; returns its id."""
        (self.top / "inbox" / f"{flow.integration}.csv").write_text("id\n" + "".join(f"{one}\n" for one in ids))
        return run(flow, self.place)["run_id"]

    def at(self, **since_start):
        self.now = START + timedelta(**since_start)

    def purge(self, **keys):
        return purge(self.place, self.folder, **keys)

    def staged(self, name="orders"):
        """All but the receipts, which are kept as long as the history."""
        root = self.top / "stage" / name
        found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if path.parts[0] != "receipts")

    def receipts(self, name="orders"):
        return sorted(path.name for path in (self.top / "stage" / name / "receipts").rglob("*.arrow"))

    def proofs(self, name="orders"):
        with sqlite3.connect(self.top / "lite.db") as lite:
            query = "select run_id from _dragoman_delivery where integration = ? and batch_id <> '' order by 1"
            return [run_id for (run_id,) in lite.execute(query, [name])]

    def count(self, table):
        with self.place.ledger._db.read() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


@pytest.fixture(scope="module")
def empty_ledger(tmp_path_factory):
    file = tmp_path_factory.mktemp("empty") / "ledger.db"
    open_ledger(f"sqlite:///{file}").close()
    return file


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path, monkeypatch, empty_ledger):
    for name in ("integrations", "inbox"):
        (tmp_path / name).mkdir()
    if request.param == "sqlite":
        shutil.copy(empty_ledger, tmp_path / "ledger.db")
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        url = request.getfixturevalue("postgres")
    monkeypatch.setenv("AIRFLOW_CONN_INBOX", f"file://{tmp_path / 'inbox'}")
    monkeypatch.setenv("AIRFLOW_CONN_LITE", f"sqlite:///{tmp_path / 'lite.db'}")
    ledger = open_ledger(url)
    place = Workplace(tmp_path, ledger, Stage(str(tmp_path / "stage")), EnvironmentConnections(), "tester")
    yield World(tmp_path, place, monkeypatch)
    ledger.close()


def test_what_a_run_leaves_goes_step_by_step(world):
    flow = world.write()
    first = world.run(flow, (1, "x", 3))
    world.at(days=20)
    second = world.run(flow)
    before = world.staged()
    world.at(days=30)
    assert (world.purge().stage_runs, world.staged()) == (0, before)

    world.at(days=31)
    done = world.purge()
    assert (done.stage_runs, done.reject_runs, done.history_runs) == (1, 0, 0)
    assert done.stage_bytes > 0
    left = [path for path in world.staged() if path.startswith(first)]
    assert [("pinned-" in path, "rejects-" in path) for path in left] == [(True, False), (False, True)]
    [row] = world.place.ledger.open_rejects("orders")
    assert world.place.stage.load_rejects(row.path, row.sha256)[row.row].original == '{"id": "x"}'
    assert len([path for path in world.staged() if path.startswith(second)]) == 2

    world.at(days=91)
    done = world.purge()
    assert (done.stage_runs, done.reject_runs, done.rejects) == (2, 1, 1)
    assert (done.receipt_links, len(world.receipts())) == (0, 2)
    assert world.staged() == []
    assert world.place.ledger.open_rejects("orders") == []
    assert world.place.ledger.run(first).figures["rejected"] == 1

    world.at(days=500)
    done = world.purge()
    assert done.history_runs == 1
    with pytest.raises(FatalError, match="holds no run"):
        world.place.ledger.run(first)
    assert world.place.ledger.run(second).state == "done"
    assert (done.receipt_links, world.receipts()[0].partition(".")[0], len(world.receipts())) == (1, second, 1)
    assert world.place.ledger.receipt_start("orders")[0] == 1
    assert verify_all(world.place, "orders").sound
    assert world.count(tables.node) == len(world.place.ledger.nodes(second))
    assert world.count(tables.batch) == 1
    again = world.purge()
    assert (again.stage_runs, again.reject_runs, again.history_runs, again.problems) == (0, 0, 0, [])


@pytest.mark.parametrize("how", ["held", "failed"])
def test_an_unfinished_run_is_never_touched(world, how):
    flow = world.write(policy="max_rejects: {count: 1}" if how == "held" else "retries: 3")
    if how == "held":
        with pytest.raises(HeldError):
            world.run(flow, (1, "x", "y", 4))
    else:
        with sqlite3.connect(world.top / "lite.db") as lite:
            lite.execute("create table orders (other integer)")
        with pytest.raises(FatalError):
            world.run(flow, (1, 2, 4))
    before = world.staged()
    world.at(days=1000)
    done = world.purge()
    assert (done.stage_runs, done.reject_runs, done.history_runs, done.orphans) == (0, 0, 0, [])
    assert world.staged() == before
    unfinished = world.place.ledger.unfinished_run("orders")
    assert unfinished.state == how
    if how == "held":
        accept(world.place, unfinished)
    else:
        with sqlite3.connect(world.top / "lite.db") as lite:
            lite.execute("drop table orders")
    assert run(flow, world.place)["delivered"] == (2 if how == "held" else 3)


@ON_ONE_LEDGER
def test_each_integration_keeps_by_its_own_policy(world):
    short = world.write("short", "retention: {stage: 1h, rejects: 2h, history: 3h}")
    long = world.write("long", "retention: {stage: 900d, rejects: 900d}")
    runs = {flow.integration: world.run(flow, (1, "x")) for flow in (short, long)}
    world.at(minutes=90)
    world.run(short)
    assert world.purge().stage_runs == 1
    assert sum(path.startswith(runs["short"]) for path in world.staged("short")) == 2  # its copy and its rejects
    world.at(hours=4)
    done = world.purge()
    assert (done.stage_runs, done.reject_runs, done.history_runs) == (2, 1, 1)
    world.at(days=399)
    assert world.purge().stage_runs == 0
    assert len(world.staged("long")) == 3
    world.at(days=401)
    done = world.purge()
    assert (done.stage_runs, done.reject_runs, done.history_runs) == (1, 1, 0)  # a payload never outlives its history


@ON_ONE_LEDGER
def test_without_its_file_the_copy_of_its_newest_run_decides(world):
    flow = world.write(policy="retention: {stage: 200d}")
    world.run(flow)
    (world.folder / "orders.yaml").unlink()
    world.at(days=100)
    assert world.purge().stage_runs == 0
    world.at(days=201)
    assert world.purge().stage_runs == 1


@ON_ONE_LEDGER
def test_while_a_file_is_broken_what_may_stand_in_it_is_left_alone(world):
    world.run(world.write())
    other = world.write("other")
    world.run(other)
    (world.folder / "orders.yaml").write_text("integration: orders\nsource: [")
    world.at(days=1000)
    done = world.purge()
    assert done.left_alone == ["orders"]
    assert done.stage_runs == 1
    assert world.staged()


def test_proofs_at_the_destination_go_with_the_stage_but_for_the_newest(world):
    flow = world.write()
    runs = []
    for day in range(12):
        world.at(days=day)
        runs.append(world.run(flow))
    world.at(days=38)
    assert world.purge().proofs == 2
    assert world.proofs() == runs[2:]
    world.at(days=60)
    assert world.purge().proofs == 0
    assert world.proofs() == runs[2:]
    world.at(days=61)
    runs.append(world.run(flow))
    assert world.proofs() == runs[2:]
    with sqlite3.connect(world.top / "lite.db") as lite:
        assert lite.execute("select count(*) from orders").fetchone()[0] == 13 * 3


@ON_ONE_LEDGER
def test_a_destination_that_does_not_answer_stops_nothing_else(world, monkeypatch):
    flows = [world.write("orders"), world.write("parts", target="gone")]
    monkeypatch.setenv("AIRFLOW_CONN_GONE", f"sqlite:///{world.top / 'gone.db'}")
    for flow in flows:
        world.run(flow)
    (world.top / "gone.db").write_bytes(b"no database at all, certainly none" * 100)
    world.at(days=31)
    done = world.purge()
    assert done.stage_runs == 2
    assert [problem.partition(":")[0] for problem in done.problems] == ["parts deliver"]
    assert world.staged("orders") == world.staged("parts") == []


def test_a_stage_without_a_run(world):
    flow = world.write()
    world.run(flow)
    old, young, foreign = "20260101T000000-aaaaaaaa", "20260228T000000-bbbbbbbb", "not-an-id"
    for run_id in (old, young, foreign):
        world.place.stage.run("orders", run_id).pin(pinned_files(flow))
    world.place.stage.run("never_run_here", old).pin(pinned_files(flow))
    done = world.purge()
    assert done.orphans == [f"orders {old}"]
    assert len(done.problems) == 2
    assert not [path for path in world.staged() if path.startswith(old)]
    assert [path for path in world.staged() if path.startswith(young)]
    assert [path for path in world.staged() if path.startswith(foreign)]
    assert world.staged("never_run_here")


@ON_ONE_LEDGER
def test_with_another_ledger_nothing_of_the_stage_is_removed(world):
    world.run(world.write())
    before = world.staged()
    other = open_ledger(f"sqlite:///{world.top / 'other.db'}")
    world.place.ledger.close()
    world.place.ledger = other
    world.at(days=1000)
    assert len(world.purge().problems) == 1
    assert world.staged() == before


def set_lease(world, **values):
    with world.place.ledger._db.write() as connection:
        now = world.place.ledger._db.now()
        values = {name: now + value if name == "expires_at" else value for name, value in values.items()}
        connection.execute(tables.lease.update().values(values))


def test_lost_leases_are_freed_and_their_tokens_used_up(world):
    ledger = world.place.ledger
    lease = ledger.take_lease("orders")
    try:
        assert world.purge().leases == []
        set_lease(world, host="elsewhere", machine="another", expires_at=-600.0)
        assert world.purge().leases == []
        set_lease(world, expires_at=-3601.0)
        assert world.purge(dry_run=True).leases == ["orders"]
        assert world.purge().leases == ["orders"]
        with pytest.raises(FatalError, match="taken over"):
            ledger.check_token("orders", lease.token)
        with pytest.raises(FatalError, match="taken over"):
            lease.renew()
    finally:
        lease.release()
    set_lease(world, host="here", machine=lease.holder.machine, pid=2**22 - 1, started="long ago", expires_at=60.0)
    assert world.purge().leases == ["orders"]
    with ledger.take_lease("orders") as taken:
        assert taken.token > lease.token + 1


def left_behind(world, flow):
    """A run that a process opened before it was killed."""
    run_id = clock.new_run_id()
    with world.place.ledger.take_lease(flow.integration) as lease:
        world.place.stage.run(flow.integration, run_id).pin(pinned_files(flow))
        world.place.ledger.open_run(flow.integration, lease.token, flow.digest, run_id=run_id)
    with world.place.ledger._db.write() as connection:
        connection.execute(tables.lease.update().values(taken_at=world.now.timestamp()))
    return run_id


def test_a_run_left_open_is_told_then_marked_and_the_next_run_goes_on_with_it(world):
    flow = world.write()
    run_id = left_behind(world, flow)
    world.at(minutes=30)
    assert world.purge().left_open == []
    world.at(hours=2)
    done = world.purge()
    assert (done.left_open, done.failed) == ([f"orders {run_id}"], [])
    world.at(hours=25)
    assert world.purge(dry_run=True).failed == [f"orders {run_id}"]
    assert world.place.ledger.run(run_id).state == "open"
    assert world.purge().failed == [f"orders {run_id}"]
    marked = world.place.ledger.run(run_id)
    assert (marked.state, marked.finished, marked.error_code) == ("failed", False, "run.left_open")
    assert world.purge().left_open == []
    assert world.run(flow) == run_id
    assert world.place.ledger.run(run_id).state == "done"


def test_a_run_that_somebody_works_on_is_not_left_open(world):
    flow = world.write()
    run_id = left_behind(world, flow)
    with world.place.ledger.take_lease("orders"):
        world.at(days=3)
        assert world.purge().left_open == []
    assert world.place.ledger.run(run_id).state == "open"


def test_a_dry_run_says_the_same_and_does_nothing(world):
    flow = world.write()
    world.run(flow, (1, "x"))
    world.at(days=1)
    world.run(flow)
    world.at(days=500)
    before, audits = world.staged(), world.count(tables.audit)
    said = world.purge(dry_run=True)
    assert (world.staged(), world.count(tables.audit), world.count(tables.run)) == (before, audits, 2)
    done = world.purge()
    for name in ("stage_runs", "stage_bytes", "reject_runs", "history_runs", "orphans", "leases", "problems"):
        assert getattr(said, name) == getattr(done, name), name
    assert (done.stage_runs, done.history_runs) == (2, 1)


@ON_ONE_LEDGER
def test_without_the_folder_of_integrations_nothing_is_done(world):
    with pytest.raises(ConfigError, match="does not exist"):
        purge(world.place, world.top / "nowhere")


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRAGOMAN_INTEGRATIONS", str(tmp_path / "integrations"))
    (tmp_path / "integrations").mkdir()
    return tmp_path


def test_the_command(at_home, capsys):
    assert main(["purge", "--dry-run"]) == 0
    assert "0  runs whose batches would be removed" in capsys.readouterr().out
    assert main(["purge", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []
    (at_home / "home" / "stage" / "orders" / "20200101T000000-aaaaaaaa").mkdir(parents=True)
    assert main(["purge"]) == 1
    assert "problem: orders: this ledger does not know the stage folder" in capsys.readouterr().out
    (at_home / "integrations").rmdir()
    assert main(["purge"]) == 2
