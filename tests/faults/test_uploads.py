"""Files that are still being written: left alone until they are still, and every line of them accounted for."""

from __future__ import annotations

import os
import sqlite3
import time

from workshop import Workshop

TEXT = """
integration: inbox
source: {connector: files, connection: inbox, path: "*.csv", settle: 60s}
translate: {fields: {id: {from: id, type: integer}, name: name}}
deliver: {connector: sqlite, connection: lite, table: inbox}
"""


def test_half_an_upload_is_left_alone_until_it_is_still(tmp_path):
    shop = Workshop(tmp_path)
    shop.integration("inbox", TEXT)
    file = tmp_path / "inbox" / "a.csv"
    file.write_text("id,name\n1,one\n2,tw")
    assert shop.report("inbox")["state"] == "nothing_new"
    file.write_text('id,name\n1,one\n2,two\n3\n4,four,more\n5,"five\nlines"\n')
    assert shop.report("inbox")["state"] == "nothing_new"
    still = time.time() - 3600
    os.utime(file, (still, still))
    report = shop.report("inbox")
    assert (report["read"], report["delivered"], report["rejected"], report["balanced"]) == (5, 3, 2, True)
    with sqlite3.connect(tmp_path / "out" / "lite.db") as server:
        assert server.execute("SELECT id, name FROM inbox ORDER BY id").fetchall() == [
            (1, "one"),
            (2, "two"),
            (5, "five\nlines"),
        ]
    assert shop.report("inbox")["state"] == "nothing_new"
