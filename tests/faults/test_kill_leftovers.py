"""What a kill leaves beside the destination: staged sets, files to move. Every failpoint: test_matrix.py."""

from __future__ import annotations

import csv
import signal
import sqlite3
from pathlib import Path

from workshop import Workshop

ROWS = 3_000
BAD = {17, 1_204, 2_999}

MAP = """
translate:
  fields:
    id: {from: id, type: integer, required: true}
    amount: {from: amount, type: "decimal(12,2)"}
    note: note
policy: {max_rejects: {count: 100}}
"""

TO_LITE = "deliver: {connector: sqlite, connection: lite, table: orders, mode: append}"
SET = """
translate: {sql: pick.sql}
policy: {max_rejects: {count: 100}}
"""


def write_orders(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "amount", "note"])
        for number in range(ROWS):
            amount = "twelve" if number in BAD else f"{number}.{number % 100:02d}"
            writer.writerow([number, amount, f"note, {number}\nsecond line"])


def delivered(shop: Workshop) -> list[int]:
    with sqlite3.connect(shop.folder / "out" / "lite.db") as db:
        return [row[0] for row in db.execute("SELECT id FROM orders ORDER BY id")]


def test_a_whole_set_translation_killed_after_it_was_staged_is_not_computed_twice(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    write_orders(tmp_path / "inbox" / "orders.csv")
    (tmp_path / "integrations" / "picked").mkdir()
    (tmp_path / "integrations" / "picked" / "pick.sql").write_text(
        "SELECT _rid, id, note FROM source WHERE length(id) = 2"
    )
    shop.integration(
        "picked",
        "integration: picked\nsource: {connector: files, connection: inbox, path: orders.csv}\n"
        + SET
        + "deliver: {connector: sqlite, connection: lite, table: orders}\n",
    )
    killed = shop.run("run", "picked", failpoint="translate.set.recorded:1:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    first = shop.report("picked")["recovered"][0]
    assert (first["read"], first["delivered"], first["filtered"]) == (ROWS, 90, ROWS - 90)


def test_a_file_that_a_killed_run_did_not_move_is_moved_by_the_next(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    write_orders(tmp_path / "inbox" / "orders.csv")
    source = 'source: {connector: files, connection: inbox, path: "*.csv", after: {move: done}}'
    shop.integration("orders", f"integration: orders\n{source}\n{MAP}\n{TO_LITE}\n")
    assert shop.run("run", "orders", failpoint="reconcile.closed:1:kill").returncode == -signal.SIGKILL
    assert (tmp_path / "inbox" / "orders.csv").exists()
    assert shop.report("orders")["state"] == "nothing_new"
    assert not (tmp_path / "inbox" / "orders.csv").exists()
    assert (tmp_path / "inbox" / "done" / "orders.csv").exists()
    assert len(delivered(shop)) == ROWS - len(BAD)
