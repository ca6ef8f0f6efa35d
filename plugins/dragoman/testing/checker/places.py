"""What really stands at a destination, read by the system's own client: a list of plain rows.

A place that is not there yet (no file, no table) holds no rows.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Row", "duckdb_rows", "file_rows", "postgres_rows", "record_rows", "sqlite_rows"]

Row = dict[str, Any]


def sqlite_rows(path: str | Path, table: str) -> list[Row]:
    """All rows of a table of a SQLite file."""
    if not Path(path).exists():
        return []
    database = sqlite3.connect(f"file:{Path(path).absolute()}?mode=ro", uri=True)
    try:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table]).fetchone():
            return []
        return _rows(database.execute(f"SELECT * FROM {_quoted(table)}"))
    finally:
        database.close()


def duckdb_rows(path: str | Path, table: str) -> list[Row]:
    """All rows of a table of a DuckDB file."""
    import duckdb

    if not Path(path).exists():
        return []
    with duckdb.connect(str(path), config={"enable_external_access": "false"}) as database:
        known = database.execute(
            "SELECT 1 FROM information_schema.tables WHERE table_name = ?", [table.rpartition(".")[2]]
        ).fetchone()
        return _rows(database.execute(f"SELECT * FROM {_quoted(table)}")) if known else []


def postgres_rows(url: str, table: str) -> list[Row]:
    """All rows of a table of a PostgreSQL database; ``table`` may name its schema."""
    import psycopg

    with psycopg.connect(url) as database:
        known = database.execute("SELECT to_regclass(%s)", [_quoted(table)]).fetchone()
        if known is None or known[0] is None:
            return []
        return _rows(database.execute(f"SELECT * FROM {_quoted(table)}".encode()))


def file_rows(folder: str | Path, pattern: str) -> list[Row]:
    """The records of all files of a folder whose name matches: ``.csv`` with a header, ``.json`` lists, else NDJSON."""
    rows: list[Row] = []
    for path in sorted(Path(folder).glob(pattern)):
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                rows += csv.DictReader(file)
        elif path.suffix == ".json":
            rows += json.loads(path.read_text(encoding="utf-8"), parse_float=str)
        else:
            rows += [
                json.loads(line, parse_float=str) for line in path.read_text(encoding="utf-8").splitlines() if line
            ]
    return rows


def record_rows(path: str | Path, collection: str = "") -> list[Row]:
    """What a fault server has applied and still holds, by its own record: one JSON object a line.

    A line says ``do`` (``create``, ``put`` or ``delete``), ``id`` (what the server calls it), ``path`` and ``body``.
    """
    held: dict[str, Row] = {}
    for line in _record(Path(path)):
        if collection and line["path"].strip("/") != collection.strip("/"):
            continue
        if line["do"] == "delete":
            held.pop(str(line["id"]), None)
        else:
            held[str(line["id"])] = line["body"]
    return list(held.values())


def _record(path: Path) -> Iterator[Row]:
    if path.exists():
        for text in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(text, parse_float=str)


def _rows(cursor: Any) -> list[Row]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _quoted(table: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))
