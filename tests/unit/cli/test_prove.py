"""`dragoman prove` and `dragoman verify` as a person sees them, over real runs into SQLite."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from workshop import Workshop

ORDERS = """
integration: orders
source: {connector: files, connection: inbox, path: "*.csv", reread: always}
translate:
  filter: kind <> 'test'
  fields:
    order: {from: no, type: text, required: true}
    line: {from: line, type: integer, required: true}
    amount: {from: amount, type: "decimal(12,2)"}
deliver: {connector: sqlite, connection: lite, table: orders, mode: upsert, key: [order, line]}
"""
ROWS = """no,line,amount,kind
"A,17",1,12.50,sale
B=2,1,3,sale
C,1,twelve,sale
D,1,5,test
"""


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    shop = Workshop(tmp_path)
    (tmp_path / "inbox" / "orders.csv").write_text(ROWS)
    shop.integration("orders", ORDERS)
    shop.report("orders")
    return shop


def proof(shop: Workshop, key: str, *more: str, name: str = "orders", expect: int = 0) -> dict[str, Any]:
    done = shop.run("prove", name, key, "--json", *more)
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(done.stdout)


def verified(shop: Workshop, *words: str, expect: int = 0) -> dict[str, Any]:
    done = shop.run("verify", *words, "--json")
    assert done.returncode == expect, done.stdout + done.stderr
    found = json.loads(done.stdout)
    return found[0] if "--all" in words else found


def codes(shop: Workshop, *words: str) -> set[str]:
    return {fault["code"] for fault in verified(shop, *words, expect=1)["faults"]}


def runs(shop: Workshop) -> list[str]:
    return [run["run_id"] for run in reversed(json.loads(shop.run("runs", "orders", "--json").stdout))]


def ledger(shop: Workshop, *statements: str) -> None:
    with sqlite3.connect(shop.folder / "home" / "ledger.db") as db:
        for statement in statements:
            assert db.execute(statement).rowcount, statement


def sidecars(shop: Workshop) -> list[Path]:
    return sorted((shop.folder / "home" / "stage" / "orders" / "receipts" / "deliver").glob("*.arrow"))


def test_a_delivered_record_is_proven_with_all_that_belongs_to_it(shop: Workshop) -> None:
    second = shop.report("orders")
    for key in (r"order=A\,17,line=1", '{"order": "A,17", "line": 1}', r"line=01,order=A\,17"):
        found = proof(shop, key)
        assert (found["outcome"], len(found["deliveries"])) == ("delivered", 2)
    newest = found["deliveries"][0]
    assert newest["run_id"] == second["run_id"]
    assert newest["position"] == "orders.csv:2"
    assert newest["output"] == {"order": "A,17", "line": 1, "amount": "12.50"}
    assert newest["receipt"]["number"] == 2
    assert newest["receipt"]["intact"]
    assert newest["receipt"]["chain"] == second["receipts"]["chain"]
    assert second["receipts"]["count"] == 2
    assert proof(shop, r"order=B\=2,line=1", "--delivery", "deliver")["outcome"] == "delivered"


def test_what_was_not_delivered_is_said_as_it_is(shop: Workshop) -> None:
    rejected = proof(shop, "order=C,line=1", expect=1)
    assert (rejected["outcome"], rejected["otherwise"]["field"]) == ("rejected", "amount")
    assert rejected["otherwise"]["position"] == "orders.csv:4"
    filtered = proof(shop, "order=D,line=1", expect=1)
    assert (filtered["outcome"], filtered["otherwise"]["reasons"]) == ("filtered", ["filter"])
    assert proof(shop, "order=E,line=1", expect=1)["outcome"] == "never_seen"
    text = shop.run("prove", "orders", "order=E,line=1")
    assert "never seen" in text.stdout


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("order", "prove.bad_key"),
        ("{", "prove.bad_key"),
        ("order=A", "prove.other_key"),
        ("order=A,line=x", "prove.bad_key"),
    ],
)
def test_a_key_that_cannot_be_meant_is_refused(shop: Workshop, key: str, code: str) -> None:
    assert proof(shop, key, expect=2)["error"] == code


def test_a_delivery_that_does_not_exist_is_refused(shop: Workshop) -> None:
    assert proof(shop, "order=A,line=1", "--delivery", "ship", expect=2)["error"] == "prove.no_delivery"


def test_without_a_key_a_record_is_known_by_its_id(shop: Workshop) -> None:
    shop.integration(
        "plain", ORDERS.replace("orders", "plain").replace("mode: upsert, key: [order, line]", "mode: append")
    )
    run_id = shop.report("plain")["run_id"]
    found = proof(shop, f"_rid={run_id}:1", name="plain")
    assert found["deliveries"][0]["output"]["order"] == "B=2"
    assert proof(shop, f"_rid={run_id}:2", name="plain", expect=1)["outcome"] == "rejected"
    assert proof(shop, f"_rid={run_id}:3", name="plain", expect=1)["outcome"] == "filtered"
    assert proof(shop, f"_rid={run_id}:9", name="plain", expect=1)["outcome"] == "never_seen"


def test_a_source_with_a_cursor_gives_its_id(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    with sqlite3.connect(tmp_path / "out" / "lite.db") as db:
        db.execute("CREATE TABLE src (id integer primary key, at text, name text)")
        db.executemany("INSERT INTO src VALUES (?, ?, ?)", [(n, f"2026-01-0{n} 00:00:00", f"n{n}") for n in (1, 2, 3)])
    shop.integration(
        "copy",
        "integration: copy\nsource: {connector: sqlite, connection: lite, table: src, cursor: {column: at, id: id}}\n"
        "translate: {fields: {label: name}}\n"
        "deliver: {connector: duckdb, connection: duck, table: dst, mode: append}\n",
    )
    shop.report("copy")
    found = proof(shop, "id=2", name="copy")
    assert found["deliveries"][0]["output"] == {"label": "n2"}
    assert proof(shop, "id=4", name="copy", expect=1)["outcome"] == "never_seen"


def test_sound_receipts_are_said_to_be_sound(shop: Workshop) -> None:
    shop.report("orders")
    for run_id in runs(shop):
        found = verified(shop, run_id)
        assert (found["sound"], found["receipts"], found["proofs"], found["not_looked_at"]) == (True, 2, 1, [])
    whole = verified(shop, "--all", "orders")
    assert (whole["sidecars"], whole["receipts"], whole["number"]) == (2, 4, 2)
    assert shop.run("verify").returncode == 2
    assert shop.run("verify", "nothing").returncode == 2
    assert shop.run("verify", "--all", "nothing").returncode == 2


def test_a_flipped_byte_is_found_and_the_file_named(shop: Workshop) -> None:
    shop.report("orders")
    first, second = runs(shop)
    path = next(one for one in sidecars(shop) if one.name.startswith(first))
    content = bytearray(path.read_bytes())
    for at in (len(content) // 2, 20, len(content) - 400):
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        (fault,) = verified(shop, first, expect=1)["faults"]
        assert (fault["code"], fault["number"]) == ("receipts.changed", 1)
        assert path.name in fault["path"]
    assert verified(shop, second)["sound"]
    assert codes(shop, "--all") == {"receipts.changed"}
    shown = proof(shop, r"order=A\,17,line=1")["deliveries"]
    assert [one["receipt"]["intact"] for one in shown] == [True, False]
    path.write_bytes(content)
    assert verified(shop, "--all")["sound"]


def test_swapped_files_are_found(shop: Workshop) -> None:
    shop.report("orders")
    one, other = sidecars(shop)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert len(verified(shop, "--all", expect=1)["faults"]) == 2
    for run_id in runs(shop):
        assert codes(shop, run_id) == {"receipts.changed"}


def test_swapped_files_are_found_even_where_the_ledger_was_swapped_with_them(shop: Workshop) -> None:
    (shop.folder / "inbox" / "orders.csv").write_text(ROWS.replace("B=2", "E"))
    shop.report("orders")
    with sqlite3.connect(shop.folder / "home" / "ledger.db") as db:
        one, other = db.execute("SELECT path, file_sha256 FROM dragoman_receipt ORDER BY number")
        for number, files in ((1, other), (2, one)):
            db.execute("UPDATE dragoman_receipt SET path = ?, file_sha256 = ? WHERE number = ?", (*files, number))
    assert len(verified(shop, "--all", expect=1)["faults"]) == 2
    assert codes(shop, runs(shop)[0]) == {"receipts.content_changed"}


def test_a_missing_file_is_found(shop: Workshop) -> None:
    sidecars(shop)[0].unlink()
    assert codes(shop, runs(shop)[0]) == {"receipts.missing"}
    assert codes(shop, "--all") == {"receipts.missing"}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("rows = 3", {"receipts.content_changed", "receipts.link_changed", "receipts.count", "receipts.proof_differs"}),
        ("batch = 7", {"receipts.content_changed", "receipts.link_changed", "receipts.proof_missing"}),
        ("chain = 'x'", {"receipts.link_changed", "receipts.head"}),
        ("sha256 = 'x'", {"receipts.content_changed", "receipts.link_changed"}),
        ("origin = 'other.csv'", {"receipts.content_changed"}),
        ("noted_at = '2020-01-01 00:00:00.000000'", {"receipts.link_changed"}),
    ],
)
def test_an_edited_row_of_the_ledger_is_found(shop: Workshop, change: str, found: set[str]) -> None:
    shop.report("orders")
    ledger(shop, f"UPDATE dragoman_receipt SET {change} WHERE number = 1")
    assert codes(shop, runs(shop)[0]) == found
    assert codes(shop, "--all") == found - {"receipts.proof_differs", "receipts.proof_missing"}


def test_a_removed_link_is_found_from_both_sides_and_by_the_run_itself(shop: Workshop) -> None:
    for _ in range(2):
        shop.report("orders")
    first, second, third = runs(shop)
    ledger(shop, "DELETE FROM dragoman_receipt WHERE number = 2")
    for run_id in (first, third):
        (fault,) = verified(shop, run_id, expect=1)["faults"]
        assert (fault["code"], fault["number"]) == ("receipts.link_removed", 2)
    assert codes(shop, second) == {"receipts.count", "receipts.head"}
    assert codes(shop, "--all") == {"receipts.link_removed", "receipts.count", "receipts.head"}


def test_a_removed_last_link_is_found_by_its_run(shop: Workshop) -> None:
    shop.report("orders")
    ledger(shop, "DELETE FROM dragoman_receipt WHERE number = 2")
    assert codes(shop, "--all") == {"receipts.count", "receipts.head"}


def test_a_proof_that_the_destination_lost_is_found(shop: Workshop) -> None:
    (run_id,) = runs(shop)
    with sqlite3.connect(shop.folder / "out" / "lite.db") as db:
        db.execute("UPDATE _dragoman_delivery SET \"rows\" = 5 WHERE batch_id <> ''")
    assert codes(shop, run_id) == {"receipts.proof_differs"}
    with sqlite3.connect(shop.folder / "out" / "lite.db") as db:
        db.execute("DELETE FROM _dragoman_delivery WHERE batch_id <> ''")
    assert codes(shop, run_id) == {"receipts.proof_missing"}


def test_many_sidecars_are_merged_and_prove_what_they_proved(shop: Workshop) -> None:
    for number in range(40):
        (shop.folder / "inbox" / f"more-{number:02d}.csv").write_text(
            f"no,line,amount,kind\nM{number},{number},1,sale\n"
        )
    report = shop.report("orders")
    names = [path.name for path in sidecars(shop)]
    assert sum(name.startswith("merged-1-") for name in names) == 1
    assert len(names) == 42 - 32 + 1
    assert report["receipts"]["count"] == 42
    for number in (0, 17, 39):
        (found,) = proof(shop, f"order=M{number},line={number}")["deliveries"]
        assert found["position"] == f"more-{number:02d}.csv:2"
        assert found["output"]["order"] == f"M{number}"
        assert found["receipt"]["intact"]
    assert len(proof(shop, r"order=A\,17,line=1")["deliveries"]) == 2
    for run_id in runs(shop):
        assert verified(shop, run_id)["sound"]
    merged = next(path for path in sidecars(shop) if path.name.startswith("merged-"))
    merged.write_bytes(merged.read_bytes()[:-40])
    assert codes(shop, "--all") == {"receipts.changed"}
    assert len(verified(shop, "--all", expect=1)["faults"]) == 32
