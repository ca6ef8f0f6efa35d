"""What the world does to a run: cut files, wrong encodings, failing and hanging servers, a full disk. Never green."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from workshop import Workshop

CSV = "source: {connector: files, connection: inbox, path: orders.csv}"
TO_LITE = "deliver: {connector: sqlite, connection: lite, table: orders}"


def rows(shop: Workshop, query: str = "SELECT count(*) FROM orders") -> int:
    path = shop.folder / "out" / "lite.db"
    if not path.exists():
        return 0
    with sqlite3.connect(path) as db:
        found = db.execute("SELECT name FROM sqlite_master WHERE name = 'orders'").fetchone()
        return db.execute(query).fetchone()[0] if found else 0


def make(tmp_path: Path, source: str = CSV, more: str = "") -> Workshop:
    shop = Workshop(tmp_path)
    shop.integration("orders", f"integration: orders\n{source}\n{TO_LITE}\n{more}\n")
    return shop


def lines(number: int) -> str:
    return "id,name\n" + "".join(f'{at},"name {at}"\n' for at in range(number))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lines(500).encode()[:-4], "csv."),
        (gzip.compress(lines(5000).encode())[:-200], "csv."),
        (lines(50).encode("utf-16")[:-1], "csv."),
        (b"id,name\n1,\xff\xfe\xfa\n" * 1, "csv."),
        (b"", "empty"),
        (b"id,name\n", "empty"),
        (b"id,id\n1,2\n", "csv."),
    ],
    ids=["cut in a quoted field", "cut gzip", "utf-16 unsaid", "not utf-8", "no byte", "header only", "twin names"],
)
def test_a_file_that_cannot_be_whole_ends_red_and_delivers_nothing(content: bytes, code: str, tmp_path: Path) -> None:
    source = CSV.replace("orders.csv", "orders.csv.gz") if content[:2] == b"\x1f\x8b" else CSV
    shop = make(tmp_path, source, "policy: {on_reject: fail}")
    name = "orders.csv.gz" if content[:2] == b"\x1f\x8b" else "orders.csv"
    (tmp_path / "inbox" / name).write_bytes(content)
    report = shop.report("orders", expect=1)
    assert report["state"] in {"failed", "held"}
    said = json.dumps(report["error"]) + shop.run("rejects", "orders", "--json").stdout
    assert code in said
    assert rows(shop) == 0
    (tmp_path / "inbox" / name).write_bytes(
        gzip.compress(lines(50).encode()) if name.endswith("gz") else lines(50).encode()
    )
    held = report["state"] == "held"
    if held:
        assert shop.run("abandon", report["run_id"]).returncode == 0
    assert shop.report("orders")["state"] in {"done", "nothing_new"}
    assert rows(shop) == 50


def test_a_missing_file_and_an_unknown_connection_say_what_to_do(tmp_path: Path) -> None:
    shop = make(tmp_path)
    done = shop.run("run", "orders", "--json")
    assert done.returncode == 1
    assert "orders.csv" in done.stderr
    del shop.connections["lite"]
    (tmp_path / "inbox" / "orders.csv").write_text(lines(3))
    done = shop.run("run", "orders", "--json")
    assert done.returncode == 2
    assert "AIRFLOW_CONN_LITE" in done.stderr


class Api(http.server.BaseHTTPRequestHandler):
    """Behaves as the class attribute says, for as many requests as it says."""

    script: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        act = self.script.pop(0) if self.script else "good"
        if act == "500":
            self.send_error(500)
        elif act == "hang":
            threading.Event().wait(30)
        elif act == "cut":
            body = json.dumps(self.page()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:-20])
        else:
            body = json.dumps(self.page()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    @staticmethod
    def page() -> dict[str, Any]:
        return {"data": [{"id": at, "name": f"n{at}"} for at in range(20)]}

    def log_message(self, *_words: Any) -> None:
        return


@contextmanager
def api(*script: str) -> Iterator[str]:
    Api.script = list(script)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}?allow_private=true"
    finally:
        server.shutdown()
        server.server_close()


HTTP = "source: {connector: http, connection: shop, path: /orders, records: data, timeout: 2s}"


@pytest.mark.parametrize("script", [["500"], ["cut"], ["500", "cut", "500"]], ids="+".join)
def test_a_server_that_recovers_is_asked_again(script: list[str], tmp_path: Path) -> None:
    shop = make(tmp_path, HTTP)
    with api(*script) as url:
        shop.connections["shop"] = url
        report = shop.report("orders")
    assert (report["state"], report["read"], report["delivered"]) == ("done", 20, 20)
    assert rows(shop) == 20


def test_a_server_that_hangs_ends_the_run_red_and_the_next_run_goes_on(tmp_path: Path) -> None:
    shop = make(tmp_path, HTTP.replace("2s", "0.3s"))
    with api(*["hang"] * 40) as url:
        shop.connections["shop"] = url
        done = shop.run("run", "orders", "--json", timeout=170)
    assert done.returncode == 1
    assert json.loads(done.stdout)["state"] == "failed"
    assert rows(shop) == 0
    with api() as url:
        shop.connections["shop"] = url
        assert shop.report("orders")["recovered"][0]["delivered"] == 20


def test_a_full_disk_ends_the_run_red_and_the_next_run_goes_on(tmp_path: Path, small_disk: Path) -> None:
    shop = make(tmp_path)
    subprocess.run(["mount", "-o", "remount,size=400k", str(small_disk)], check=True)
    (tmp_path / "inbox" / "orders.csv").write_text(
        "id,name\n" + "".join(f"{at},{os.urandom(200).hex()}\n" for at in range(3000))
    )
    done = shop.run("run", "orders", "--json", DRAGOMAN_STAGE=str(small_disk / "stage"))
    assert done.returncode == 1
    assert "full" in done.stderr
    assert rows(shop) == 0
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    again = shop.run("run", "orders", "--json", DRAGOMAN_STAGE=str(small_disk / "stage"))
    assert again.returncode == 0, again.stderr
    assert rows(shop, "SELECT count(DISTINCT id) FROM orders") == rows(shop) == 3000


def test_two_runs_at_once_the_second_is_refused(tmp_path: Path) -> None:
    shop = make(tmp_path)
    (tmp_path / "inbox" / "orders.csv").write_text(lines(10))
    first = subprocess.Popen(
        [sys.executable, "-m", "dragoman.cli", "run", "orders"],
        env=shop.environment("deliver.prepared:1:sleep"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        while not any((tmp_path / "home" / "stage").rglob("00000*.arrow")):
            assert first.poll() is None, first.communicate()
        second = shop.run("run", "orders", "--json")
        assert second.returncode == 1
        assert "lease.held" in second.stderr
    finally:
        first.kill()
        first.wait()
    report = shop.report("orders")
    assert report["recovered"][0]["delivered"] == 10
    assert rows(shop) == 10


def test_over_the_limit_a_run_is_held_until_a_person_decides(tmp_path: Path) -> None:
    more = "translate: {fields: {id: {from: id, type: integer}, name: name}}"
    shop = make(tmp_path, more=more)
    text = "id,name\n" + "".join(f"{at if at % 4 else 'x' + str(at)},n\n" for at in range(100))
    (tmp_path / "inbox" / "orders.csv").write_text(text)
    held = shop.report("orders", expect=1)
    assert (held["state"], held["read"], held["rejected"], held["delivered"]) == ("held", 100, 25, 0)
    assert rows(shop) == 0
    assert len(json.loads(shop.run("rejects", "orders", "--json").stdout)) == 25
    again = shop.run("run", "orders")
    assert again.returncode == 1
    assert all(f"dragoman {verb} {held['run_id']}" in again.stderr for verb in ("resume", "accept", "abandon"))
    shop.integration(
        "orders", f"integration: orders\n{CSV}\n{TO_LITE}\ntranslate: {{fields: {{id: id, name: name}}}}\n"
    )
    resumed = shop.run("resume", held["run_id"], "--json")
    assert resumed.returncode == 0, resumed.stderr
    report = json.loads(resumed.stdout)
    assert (report["run_id"], report["state"], report["delivered"]) == (held["run_id"], "done", 100)
    assert rows(shop) == 100
    assert json.loads(shop.run("rejects", "orders", "--json").stdout) == []


def test_accept_delivers_the_good_records_and_keeps_the_rejects(tmp_path: Path) -> None:
    shop = make(tmp_path, more="translate: {fields: {id: {from: id, type: integer}}}\npolicy: {on_reject: fail}")
    (tmp_path / "inbox" / "orders.csv").write_text("id,name\n1,a\ntwo,b\n3,c\n")
    held = shop.report("orders", expect=1)
    accepted = shop.run("accept", held["run_id"], "--json")
    assert accepted.returncode == 0, accepted.stderr
    assert rows(shop) == 2
    (reject,) = json.loads(shop.run("rejects", "orders", "--json").stdout)
    assert reject["field"] == "id"
    assert reject["position"] == "orders.csv:3"
    assert json.loads(reject["original"]) == {"id": "two", "name": "b"}


def test_a_failed_run_is_taken_up_by_the_corrected_integration(tmp_path: Path) -> None:
    shop = make(tmp_path, more="translate: {fields: {id: {from: idd, type: integer}}}")
    (tmp_path / "inbox" / "orders.csv").write_text("id,name\n1,a\n")
    done = shop.run("run", "orders")
    assert done.returncode == 2
    (run,) = json.loads(shop.run("runs", "orders", "--json").stdout)
    assert "did you mean id?" in done.stderr
    assert "takes up the corrected file" in done.stderr
    assert f"dragoman abandon {run['run_id']}" in done.stderr
    shop.integration(
        "orders", f"integration: orders\n{CSV}\n{TO_LITE}\ntranslate: {{fields: {{id: {{from: id, type: integer}}}}}}\n"
    )
    report = shop.report("orders")
    assert report["recovered"][0]["delivered"] == 1
    assert rows(shop) == 1
