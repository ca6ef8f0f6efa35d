"""What the fault matrix tries: small integrations, each with what it starts from, what is tried and what must be there.

A story is prepared in a workshop of its own; then its command is tried with a fault, and tried again until it ends.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from dragoman.testing.checker import Expected, duckdb_rows, file_rows, postgres_rows, sqlite_rows
from workshop import Workshop

FILES, EACH = 3, 60
BAD = frozenset({17, 75, 179})
FIELDS = """
translate:
  fields:
    id: {from: id, type: integer, required: true}
    amount: {from: amount, type: "decimal(12,2)"}
    note: note
policy: {max_rejects: {count: 100}}
"""
CSV = 'source: {connector: files, connection: inbox, path: "orders-*.csv"}'
BY_TIME = (
    "source: {connector: sqlite, connection: shop, table: orders, cursor: {column: updated_at, id: id, overlap: 60s}}"
)
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Story:
    """``prepare`` fills a workshop; ``words`` is the command that is tried; ``found`` reads the destination.

    ``again``: the command that finishes what was interrupted, where it is another one. ``counted``: the destination holds
    a row for each output that was ever delivered. ``whole``: readers see all of a run or nothing of it.
    """

    name: str
    prepare: Callable[[Workshop], None]
    found: Callable[[Workshop], Rows]
    expected: Expected
    words: Sequence[str] = ("run", "orders", "--json")
    again: Sequence[str] = ("run", "orders", "--json")
    counted: bool = True
    whole: bool = True
    postgres: bool = field(default=False)
    api: Mapping[str, Any] | None = None
    """What the API can that is the destination, see ``fault_server``."""
    doubts: int = 0
    """How many outputs may be in doubt at most: those of the requests that a fault and a kill have struck."""


def text_of(number: int, version: int = 1) -> str:
    return f"note, {number}\nof version {version}"


def amount_of(number: int, version: int = 1) -> Decimal:
    return Decimal(f"{number}.{version}5")


def row_of(number: int, version: int = 1) -> dict[str, Any]:
    return {"id": number, "amount": amount_of(number, version), "note": text_of(number, version)}


def write_files(shop: Workshop) -> None:
    """Three files, so that there are three batches; three records are bad."""
    for at in range(FILES):
        with (shop.folder / "inbox" / f"orders-{at}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "amount", "note"])
            for number in range(at * EACH, (at + 1) * EACH):
                amount = "twelve" if number in BAD else amount_of(number)
                writer.writerow([number, amount, text_of(number)])


FROM_FILES = Expected.of(
    [row_of(number) for number in range(FILES * EACH) if number not in BAD], key=["id"], rejected=BAD
)


def write_shop(shop: Workshop) -> None:
    """A table of 100 rows, ten to a moment, which a first run has delivered; then ties, late rows, updates, new rows."""
    path = shop.folder / "shop.db"
    shop.connections["shop"] = f"sqlite:///{path}"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, amount TEXT, note TEXT, updated_at TEXT)")
        put(db, dict.fromkeys(range(100), 1), lambda number: 10 + number // 10)


def change_shop(shop: Workshop, versions: dict[int, int]) -> None:
    """The second run's rows: ties on the last moment, late ones within the overlap, changed and new ones."""
    with sqlite3.connect(shop.folder / "shop.db") as db:
        seconds = {100: 19, 101: 19, 102: 18, 103: 15}
        put(db, versions, lambda number: seconds.get(number, 25))


def put(db: sqlite3.Connection, versions: dict[int, int], second: Callable[[int], int]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)",
        [
            (number, str(amount_of(number, version)), text_of(number, version), f"2024-01-01 12:00:{second(number):02}")
            for number, version in versions.items()
        ],
    )


CHANGED = dict.fromkeys(range(0, 100, 7), 2)
NEW = dict.fromkeys(range(100, 140), 1)
AFTER_UPSERT = Expected.of(
    [row_of(at, ({**dict.fromkeys(range(100), 1)} | CHANGED | NEW)[at]) for at in range(140)], ["id"]
)
AFTER_APPEND = Expected.of([row_of(number) for number in range(140)], ["id"])

TARGETS: dict[str, tuple[str, Callable[[Workshop], Rows]]] = {
    "sqlite": (
        "deliver: {connector: sqlite, connection: lite, table: orders, MODE}",
        lambda shop: sqlite_rows(shop.folder / "out" / "lite.db", "orders"),
    ),
    "duckdb": (
        "deliver: {connector: duckdb, connection: duck, table: orders, MODE}",
        lambda shop: duckdb_rows(shop.folder / "out" / "duck.duckdb", "orders"),
    ),
    "postgres": (
        "deliver: {connector: postgres, connection: pg, table: public.orders, MODE}",
        lambda shop: postgres_rows(shop.connections["pg"], "public.orders"),
    ),
    "file": (
        'deliver: {connector: files, connection: out, path: "orders.csv"}',
        lambda shop: file_rows(shop.folder / "out", "orders*.csv"),
    ),
    "file_per_run": (
        'deliver: {connector: files, connection: out, path: "orders-{run}.csv"}',
        lambda shop: file_rows(shop.folder / "out", "orders*.csv"),
    ),
    "file_per_batch": (
        'deliver: {connector: files, connection: out, path: "orders-{run}-{batch}.csv", one_file_per: batch}',
        lambda shop: file_rows(shop.folder / "out", "orders*.csv"),
    ),
}


def _append(target: str) -> Story:
    text, found = TARGETS[target]

    def prepare(shop: Workshop) -> None:
        write_files(shop)
        shop.integration("orders", f"integration: orders\n{CSV}\n{FIELDS}\n{text.replace('MODE', 'mode: append')}\n")

    whole = target != "file_per_batch"
    return Story(f"{target} append", prepare, found, FROM_FILES, whole=whole, postgres=target == "postgres")


def _second_run(target: str, mode: str) -> Story:
    text, found = TARGETS[target]
    appends = mode == "append"
    said = "mode: append" if appends else "mode: upsert, key: [id]"

    def prepare(shop: Workshop) -> None:
        write_shop(shop)
        shop.integration("orders", f"integration: orders\n{BY_TIME}\n{FIELDS}\n{text.replace('MODE', said)}\n")
        assert shop.report("orders")["delivered"] == 100
        change_shop(shop, NEW if appends else CHANGED | NEW)

    expected = AFTER_APPEND if appends else AFTER_UPSERT
    name = f"{target} {mode}, second run"
    return Story(name, prepare, found, expected, counted=appends, postgres=target == "postgres")


def _deletes(target: str) -> Story:
    """Rows are gone from the source since the first run, others are new or changed."""
    text, found = TARGETS[target]
    gone = (3, 50, 51)

    def prepare(shop: Workshop) -> None:
        write_shop(shop)
        source = BY_TIME.replace("overlap: 60s}", "overlap: 60s}, deletes: compare")
        said = text.replace("MODE", "mode: upsert, key: [id]")
        shop.integration("orders", f"integration: orders\n{source}\n{FIELDS}\n{said}\n")
        assert shop.report("orders")["delivered"] == 100
        change_shop(shop, CHANGED | NEW)
        with sqlite3.connect(shop.folder / "shop.db") as db:
            db.executemany("DELETE FROM orders WHERE id = ?", [(number,) for number in gone])

    rows = [row for row in AFTER_UPSERT.rows.values() if row["id"] not in gone]
    expected = Expected.of(rows, ["id"])
    return Story(f"{target}, deletes", prepare, found, expected, counted=False, postgres=target == "postgres")


def _replace(target: str) -> Story:
    """A table is replaced whole; in between it is never seen empty or half."""
    text, found = TARGETS[target]

    def prepare(shop: Workshop) -> None:
        write_shop(shop)
        source = "source: {connector: sqlite, connection: shop, table: orders}"
        mode = text.replace("MODE", "mode: replace")
        shop.integration("orders", f"integration: orders\n{source}\n{FIELDS}\n{mode}\n")
        assert shop.report("orders")["delivered"] == 100
        change_shop(shop, CHANGED | NEW)

    return Story(f"{target} replace", prepare, found, AFTER_UPSERT, counted=False, postgres=target == "postgres")


def _whole_set() -> Story:
    text, found = TARGETS["sqlite"]

    def prepare(shop: Workshop) -> None:
        write_files(shop)
        (shop.folder / "integrations" / "orders").mkdir()
        query = "SELECT _rid, id, note FROM source WHERE length(id) = 2"
        (shop.folder / "integrations" / "orders" / "pick.sql").write_text(query)
        shop.integration(
            "orders",
            f"integration: orders\n{CSV}\ntranslate: {{sql: pick.sql}}\n{text.replace('MODE', 'mode: append')}\n",
        )

    rows = [{"id": str(at), "note": text_of(at)} for at in range(10, 100)]
    return Story("sqlite, whole set", prepare, found, Expected.of(rows, ["id"]))


STORIES = {
    story.name: story
    for story in (
        *(_append(target) for target in TARGETS),
        *(_second_run(target, "upsert") for target in ("sqlite", "duckdb", "postgres")),
        *(_second_run(target, "append") for target in ("sqlite", "postgres")),
        *(_replace(target) for target in ("sqlite", "duckdb", "postgres")),
        *(_deletes(target) for target in ("sqlite", "postgres")),
        _whole_set(),
    )
}
