"""What every tool gets: two databases of a real PostgreSQL, a folder of its own, and the same rows in the source."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psycopg

from postgres_server import Server

__all__ = ["PER_MOMENT", "Found", "World"]

PER_MOMENT = 70
"""Rows that share one value of the cursor's column."""


@dataclass(frozen=True)
class Found:
    """What a comparison of source and destination gives, in rows."""

    lost: int
    doubled: int
    wrong: int
    surplus: int

    @property
    def whole(self) -> bool:
        """Every row once, with its own values."""
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        """Only what is not as it should be."""
        parts = [f"{getattr(self, name)} {name}" for name in ("lost", "doubled", "wrong") if getattr(self, name)]
        return ", ".join(parts) or "nothing"


class World:
    """One tool's world in one test."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.source, self.destination = server.fresh_database(), server.fresh_database()
        self._next = 0
        with psycopg.connect(self.source) as db:
            db.execute("CREATE TABLE orders (id bigint PRIMARY KEY, updated_at timestamptz NOT NULL, amount int)")
        self.forget_work()

    @property
    def work(self) -> Path:
        """The tool's own folder: what it keeps between runs on its disk."""
        return self.folder / "work"

    def forget_work(self) -> None:
        """The disk of the worker is lost, as with a container that is started anew."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()

    def prepare(self, makes: str, *, keyed: bool) -> None:
        """What the tool does not make itself: ``makes`` is ``nothing``, ``table`` or ``schema`` (and the table)."""
        if makes == "schema":
            return
        self.change_destination("CREATE SCHEMA landed")
        if makes == "nothing":
            key = " PRIMARY KEY" if keyed else ""
            self.change_destination(f"CREATE TABLE landed.orders (id bigint{key}, updated_at timestamptz, amount int)")
            self.change_destination("CREATE TABLE landed.items (id text PRIMARY KEY, amount int)")

    def add_rows(self, number: int) -> None:
        """New rows at the end, ``PER_MOMENT`` of them at each moment."""
        with psycopg.connect(self.source) as db:
            db.execute(
                "INSERT INTO orders SELECT n, timestamptz '2026-01-01' + make_interval(secs => n / %s), n * 3 %% 9973 "
                "FROM generate_series(%s::bigint, %s::bigint) AS n",
                (PER_MOMENT, self._next, self._next + number - 1),
            )
        self._next += number

    def change(self, statement: str) -> None:
        """Anything else that happens to the source."""
        with psycopg.connect(self.source) as db:
            db.execute(statement)

    def change_destination(self, statement: str) -> None:
        """The same at the destination."""
        with psycopg.connect(self.destination) as db:
            db.execute(statement)

    def landed(self) -> list[tuple[object, ...]]:
        """The destination's rows."""
        with psycopg.connect(self.destination) as db:
            if db.execute("SELECT to_regclass('landed.orders')").fetchone() == (None,):
                return []
            return db.execute("SELECT id, updated_at, amount FROM landed.orders").fetchall()

    def compare(self) -> Found:
        """Source against destination, by id and by value."""
        with psycopg.connect(self.source) as db:
            wanted = {row[0]: row for row in db.execute("SELECT id, updated_at, amount FROM orders")}
        landed = self.landed()
        copies = Counter(row[0] for row in landed)
        values = {row[0]: row for row in landed}
        return Found(
            lost=sum(1 for key in wanted if key not in copies),
            doubled=sum(number - 1 for key, number in copies.items() if key in wanted),
            wrong=sum(1 for key, row in wanted.items() if key in values and values[key] != row),
            surplus=sum(1 for key in copies if key not in wanted),
        )

    def close(self) -> None:
        """Give the databases back."""
        for url in (self.source, self.destination):
            self.server.drop_database(url)
        shutil.rmtree(self.folder, ignore_errors=True)
