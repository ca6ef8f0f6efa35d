"""What one integration writes the next one reads: files of our own, typed again, hold the same values."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import pytest

from workshop import Workshop

FIELDS = """
translate:
  fields:
    id: {from: id, type: integer}
    double: {from: double, type: double}
    binary: {from: binary, type: binary}
    decimal: {from: decimal, type: "decimal(38,10)"}
    at: {from: at, type: timestamptz}
    note: note
policy: {max_rejects: 0}
"""
NOTES = ["", None, 'a "quoted"\nline, \\x00ff', "\\x00ff", "NULL", " é "]


@pytest.mark.parametrize(
    ("ending", "binary"), [("csv", "hex"), ("csv", "base64"), ("ndjson", "hex"), ("json", "base64")]
)
def test_a_file_of_ours_gives_the_values_back(ending: str, binary: str, tmp_path: Path) -> None:
    doubles = [1.5, -0.0, 5e-324, 1e308] + ([math.inf, -math.inf] if ending == "csv" else [0.1, -1e-7])
    with sqlite3.connect(tmp_path / "in.db") as db:
        db.execute("CREATE TABLE t (id INTEGER, double REAL, binary BLOB, decimal TEXT, at TEXT, note TEXT)")
        rows = [
            (at, double, bytes([at, 255, 0, 10]), f"{at}.0000000001", f"2024-01-0{at + 1}T10:00:00+02:00", note)
            for at, (double, note) in enumerate(zip(doubles, NOTES, strict=True))
        ]
        db.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", rows)
    shop = Workshop(tmp_path)
    shop.connections["before"] = f"sqlite:///{tmp_path / 'in.db'}"
    to_file = f'deliver: {{connector: files, connection: inbox, path: "t.{ending}", format: {{type: {ending}, binary: {binary}}}}}'
    shop.integration(
        "out", f"integration: out\nsource: {{connector: sqlite, connection: before, table: t}}\n{to_file}\n{FIELDS}"
    )
    shop.integration(
        "back",
        f'integration: back\nsource: {{connector: files, connection: inbox, path: "t.{ending}"}}\n'
        f"deliver: {{connector: sqlite, connection: lite, table: t}}\n{FIELDS}",
    )
    assert shop.report("out")["delivered"] == len(rows)
    assert shop.report("back")["delivered"] == len(rows)
    with sqlite3.connect(tmp_path / "out" / "lite.db") as db:
        found = db.execute("SELECT id, double, binary, decimal, at, note FROM t ORDER BY id").fetchall()
    moments = [f"2024-01-0{at + 1} 08:00:00.000000Z" for at in range(len(rows))]
    assert found == [(*row[:4], moment, row[5]) for row, moment in zip(rows, moments, strict=True)]
