"""The database or the line to it breaks in mid-load or at the commit: the next run leaves every record there once."""

from __future__ import annotations

import csv
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from postgres_server import Server, kill_postgres, restart_postgres, start_postgres, stop_postgres
from workshop import Workshop

ROWS = 20_000
MODES = {"append": "mode: append", "upsert": "mode: upsert, key: [id]", "replace": "mode: replace"}
OLD = [(-2, "old"), (-1, "old")]


@pytest.fixture
def server() -> Iterator[Server]:
    """A durable server of the test's own, which may be killed."""
    made = start_postgres(settings={"shared_buffers": "32MB"})
    yield made
    stop_postgres(made)


def sql(url: str, text: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as server:
        cursor = server.execute(text)
        return cursor.fetchall() if cursor.description else []


def orders(shop: Workshop, mode: str) -> None:
    """A table with two old rows, and a file whose records are to be added to them, or to take their place."""
    sql(shop.connections["admin"], "CREATE TABLE public.orders (id bigint PRIMARY KEY, note text)")
    sql(shop.connections["admin"], "INSERT INTO public.orders VALUES (-1, 'old'), (-2, 'old')")
    with (shop.folder / "inbox" / "orders.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "note"), *((number, f"note {number}") for number in range(ROWS))])
    shop.integration(
        "orders",
        "integration: orders\n"
        "source: {connector: files, connection: inbox, path: orders.csv, types: {id: integer}}\n"
        f"deliver: {{connector: postgres, connection: pg, table: public.orders, {MODES[mode]}}}\n",
    )


def seen(shop: Workshop) -> list[tuple]:
    """What a reader sees; more than the old rows as figures."""
    url = shop.connections["admin"]
    count = sql(url, "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM public.orders")[0]
    return sql(url, "SELECT * FROM public.orders ORDER BY id") if count[0] < 10 else [count]


def whole(mode: str) -> list[tuple]:
    return [(ROWS, ROWS, 0, ROWS - 1)] if mode == "replace" else [(ROWS + 2, ROWS + 2, -2, ROWS - 1)]


@contextmanager
def stopped_in_mid_load(shop: Workshop, mode: str) -> Iterator[list[int]]:
    """A run whose load waits for a lock that another session holds; gives the exit code when it has ended."""
    url = shop.connections["admin"]
    blocker = psycopg.connect(url)
    if mode == "replace":  # the new table is full and waits for its name until this reader is through
        blocker.execute("SELECT * FROM public.orders")
    else:
        blocker.execute("INSERT INTO public.orders VALUES (%s, 'not yet committed')", (ROWS // 2,))
    ended: list[int] = []
    run = threading.Thread(target=lambda: ended.append(shop.run("run", "orders").returncode))
    run.start()
    waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'dragoman%' AND wait_event_type = 'Lock'"
    until = time.monotonic() + 60
    while not sql(url, waiting):
        assert not ended, "the run ended before its load"
        assert time.monotonic() < until
        time.sleep(0.05)
    yield ended
    run.join(60)
    blocker.close()


@pytest.mark.parametrize("mode", MODES)
def test_the_server_is_killed_in_mid_load_and_started_again(mode: str, tmp_path: Path, server: Server) -> None:
    shop = Workshop(tmp_path, {"pg": server.url, "admin": server.url})
    orders(shop, mode)
    with stopped_in_mid_load(shop, mode) as ended:
        if mode != "replace":  # a reader would wait behind the run, which waits for the reader before it
            assert seen(shop) == OLD
        kill_postgres(server)
    assert ended == [1]
    restart_postgres(server)
    assert seen(shop) == OLD
    report = shop.report("orders")
    report = report.get("recovered", [report])[0]
    assert (report["state"], report["read"], report["delivered"], report["balanced"]) == ("done", ROWS, ROWS, True)
    assert seen(shop) == whole(mode)
    assert shop.report("orders")["state"] == "nothing_new"
    assert seen(shop) == whole(mode)


class CuttingProxy:
    """Passes bytes on to the server and cuts the client off at its first COMMIT of a delivery; then all is well.

    ``reaches``: whether that COMMIT still gets to the server, whose answer the client then never sees.
    """

    def __init__(self, url: str, *, reaches: bool) -> None:
        self._server = (urlsplit(url).hostname, urlsplit(url).port)
        self._reaches = reaches
        self.cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.replace(f":{self._server[1]}/", f":{self._listener.getsockname()[1]}/")
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            threading.Thread(target=self._pass_back, args=(server, client), daemon=True).start()
            try:
                while data := client.recv(65_536):
                    if b"COMMIT\x00" in data and not self.cut:
                        self.cut = True
                        client.shutdown(socket.SHUT_RDWR)
                        if self._reaches:
                            server.sendall(data)
                            server.shutdown(socket.SHUT_WR)
                            time.sleep(1)
                        server.shutdown(socket.SHUT_RDWR)
                        return
                    server.sendall(data)
            except OSError:
                return

    @staticmethod
    def _pass_back(server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(65_536):
                client.sendall(data)
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize("reaches", [True, False], ids=["committed", "not committed"])
@pytest.mark.parametrize("mode", MODES)
def test_the_line_is_cut_at_the_commit(mode: str, reaches: bool, tmp_path: Path, postgres: str) -> None:
    shop = Workshop(tmp_path, {"admin": postgres})
    orders(shop, mode)
    proxy = CuttingProxy(postgres, reaches=reaches)
    shop.connections["pg"] = proxy.url
    red = shop.run("run", "orders", "--json")
    assert proxy.cut
    said = json.loads(red.stdout)["error"]
    assert (red.returncode, said["code"]) == (1, "postgres.commit_unknown"), red.stdout
    if not reaches:
        assert seen(shop) == OLD
    report = shop.report("orders")
    report = report.get("recovered", [report])[0]
    assert (report["state"], report["read"], report["delivered"], report["balanced"]) == ("done", ROWS, ROWS, True)
    assert seen(shop) == whole(mode)
    assert shop.report("orders")["state"] == "nothing_new"
    assert seen(shop) == whole(mode)
    proxy.close()


def test_the_run_is_killed_while_it_replaces_and_a_reader_never_sees_less(tmp_path: Path, postgres: str) -> None:
    """A reader looks all the time: first at the old rows, then at the new ones, at nothing else ever."""
    shop = Workshop(tmp_path, {"pg": postgres, "admin": postgres})
    orders(shop, "replace")
    counts: set[int] = set()
    over = threading.Event()

    def look() -> None:
        with psycopg.connect(postgres, autocommit=True) as reader:
            while not over.is_set():
                counts.add(reader.execute("SELECT count(*) FROM public.orders").fetchone()[0])

    looking = threading.Thread(target=look)
    looking.start()
    for point in ("deliver.batch.sent", "deliver.prepared"):
        assert shop.run("run", "orders", failpoint=f"{point}:1:kill").returncode == -9
        assert seen(shop) == OLD
    assert shop.report("orders")["state"] in {"done", "nothing_new"}
    over.set()
    looking.join()
    assert seen(shop) == whole("replace")
    assert counts <= {2, ROWS}
