"""Receipts after kills: none claims what was not delivered, none is missing, and a merge that is killed harms nothing."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path

import psycopg
import pytest

from workshop import Workshop

FAN_IN = 32
LINES = """
integration: lines
source: {{connector: files, connection: inbox, path: "orders.ndjson", reread: always}}
translate:
  each: {{line: lines}}
  fields:
    id: {{from: line.id, type: integer}}
    part: {{from: line.part, type: text}}
deliver: {{connector: postgres, connection: pg, table: public.lines, mode: append{key}}}
policy: {{max_rejects: {{count: 100}}}}
"""
MANY = """
integration: many
source: {connector: files, connection: inbox, path: "*.csv", reread: always}
translate: {fields: {id: {from: id, type: integer}}}
deliver: {connector: sqlite, connection: lite, table: many, mode: upsert, key: [id]}
"""


def verified(shop: Workshop) -> dict[str, object]:
    done = shop.run("verify", "--all", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(done.stdout)
    return dict(found)


def receipts(shop: Workshop, name: str) -> list[str]:
    folder = shop.folder / "home" / "stage" / name / "receipts" / "deliver"
    return sorted(path.name for path in folder.glob("*.arrow")) if folder.exists() else []


@pytest.fixture
def lines(tmp_path: Path, postgres: str) -> Workshop:
    """Orders whose lines the server refuses in part: part p1 is too long for its column, twice in one order."""
    shop = Workshop(tmp_path, {"pg": postgres})
    with psycopg.connect(postgres) as db:
        db.execute("CREATE TABLE public.lines (id bigint, part varchar(4))")
    orders = [
        {
            "lines": [
                {"id": 10 * n, "part": "ok"},
                {"id": 10 * n, "part": "too long"},
                {"id": 10 * n, "part": "too long"},
            ]
        }
        for n in range(3)
    ] + [{"lines": [{"id": 90, "part": "ok"}, {"id": 90, "part": "ok"}]}]
    (tmp_path / "inbox" / "orders.ndjson").write_text("".join(json.dumps(order) + "\n" for order in orders))
    shop.integration("lines", LINES.format(key=""))
    return shop


@pytest.mark.parametrize(
    "point", ["deliver.batch.sent", "receipts.written", "deliver.prepared", "deliver.committed", "deliver.recorded"]
)
def test_killed_anywhere_each_output_that_arrived_has_one_receipt(lines: Workshop, point: str) -> None:
    killed = lines.run("run", "lines", failpoint=f"{point}:1:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    if point != "deliver.recorded":
        before = lines.run("prove", "lines", "_rid=x:0", "--json")
        assert before.returncode == 1
        assert json.loads(before.stdout)["keyed_by"] == []
    report = lines.report("lines")
    report = report["recovered"][0] if "recovered" in report else report
    with psycopg.connect(lines.connections["pg"]) as db:
        (rows,) = db.execute("SELECT count(*) FROM public.lines").fetchone() or (0,)
    found = verified(lines)
    assert found["receipts"] == rows
    run_id = report["run_id"]
    for record, outputs in ((0, 1), (1, 1), (3, 2)):
        done = lines.run("prove", "lines", f"_rid={run_id}:{record}", "--json")
        assert len(json.loads(done.stdout)["deliveries"]) == outputs
    assert all(run in {name.partition(".")[0] for name in receipts(lines, "lines")} for run in {run_id})


def test_what_a_killed_try_wrote_goes_when_another_mapping_takes_the_run_up(lines: Workshop) -> None:
    killed = lines.run("run", "lines", failpoint="receipts.written:1:kill")
    assert killed.returncode == -signal.SIGKILL
    (stray,) = receipts(lines, "lines")
    lines.integration("lines", LINES.format(key="").replace("line.part", "upper(line.part)"))
    lines.report("lines")
    assert verified(lines)["sound"]
    named = {path.rpartition("/")[2] for path in _paths(lines)}
    assert set(receipts(lines, "lines")) >= named
    assert lines.run("purge", "--json").returncode == 0
    assert set(receipts(lines, "lines")) == named
    assert stray not in named or len(named) >= 1


def _paths(shop: Workshop) -> list[str]:
    with sqlite3.connect(shop.folder / "home" / "ledger.db") as db:
        return [path for (path,) in db.execute("SELECT path FROM dragoman_receipt")]


@pytest.fixture
def many(tmp_path: Path) -> Workshop:
    """One run with more sidecars than are merged at a time."""
    shop = Workshop(tmp_path)
    for number in range(FAN_IN + 3):
        (tmp_path / "inbox" / f"f{number:02d}.csv").write_text(f"id\n{number}\n")
    shop.integration("many", MANY)
    return shop


@pytest.mark.parametrize("point", ["receipts.merged:1:kill", "receipts.repointed:1:kill"])
def test_a_merge_that_is_killed_leaves_every_receipt_and_is_done_later(many: Workshop, point: str) -> None:
    killed = many.run("run", "many", failpoint=point)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(receipts(many, "many")) == FAN_IN + 3 + 1
    assert verified(many)["receipts"] == FAN_IN + 3
    assert many.run("prove", "many", "id=7").returncode == 0
    assert many.run("purge").returncode == 0
    names = receipts(many, "many")
    assert [name[:26] for name in names if name.startswith("merged")] == ["merged-1-00000001-00000032"]
    assert len(names) == 1 + 3
    assert verified(many)["receipts"] == FAN_IN + 3
    for number in (0, 7, 31, 34):
        assert many.run("prove", "many", f"id={number}").returncode == 0


def test_without_a_kill_the_run_merges_by_itself(many: Workshop) -> None:
    many.report("many")
    assert len(receipts(many, "many")) == 1 + 3
    assert verified(many)["sound"]
    assert many.run("purge").returncode == 0
    assert len(receipts(many, "many")) == 1 + 3
