"""What SQLite's catalogue says of a table.

A column's affinity decides what it does to a value (sqlite.org, "Datatypes In SQLite", 3.1): INTEGER, NUMERIC and
REAL turn text that looks like a number into one.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from dragoman.connectors._sql.identifiers import quote, quote_table, split_table
from dragoman.connectors.sqlite.session import run

__all__ = ["Column", "Table", "read_table"]


@dataclass(frozen=True)
class Column:
    """One column, its declared type as written, whether SQLite computes it, and whether no row goes in without it."""

    name: str
    declared: str
    generated: bool
    needed: bool

    @property
    def takes_no_null(self) -> bool:
        """Whether a map has to make it."""
        return self.needed and not self.generated

    @property
    def affinity(self) -> str:
        """By the five rules, in their order."""
        word = self.declared.upper()
        if "INT" in word:
            return "INTEGER"
        if any(part in word for part in ("CHAR", "CLOB", "TEXT")):
            return "TEXT"
        if not word or "BLOB" in word:
            return "BLOB"
        return "REAL" if any(part in word for part in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


@dataclass(frozen=True)
class Table:
    """A table that exists. ``keys`` are the column sets of its unique indexes."""

    name: str
    quoted: str
    columns: dict[str, Column]
    keys: tuple[frozenset[str], ...]
    is_view: bool
    has_triggers: bool


def read_table(server: sqlite3.Connection, name: str) -> Table | None:
    """The table (or view) of that name, None where there is none."""
    schema, table = split_table(name)
    info = run(
        server,
        'SELECT name, type, pk, hidden, "notnull" AND dflt_value IS NULL FROM pragma_table_xinfo(?, ?)',
        (table, schema or "main"),
    )
    if not info:
        return None
    columns = {row[0]: Column(row[0], row[1] or "", row[3] in (2, 3), bool(row[4])) for row in info}
    keys = []
    primary = frozenset(row[0] for row in info if row[2])
    if primary:
        keys.append(primary)
    for index, partial in run(
        server, 'SELECT name, partial FROM pragma_index_list(?, ?) WHERE "unique"', (table, schema or "main")
    ):
        names = [row[0] for row in run(server, "SELECT name FROM pragma_index_info(?, ?)", (index, schema or "main"))]
        if not partial and None not in names:
            keys.append(frozenset(names))
    catalogue = quote_table(schema or "main", "sqlite_master")
    view = run(server, f"SELECT 1 FROM {catalogue} WHERE type = 'view' AND name = ? COLLATE NOCASE", (table,))
    triggers = run(
        server, f"SELECT 1 FROM {catalogue} WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE", (table,)
    )
    quoted = quote_table(schema, table) if schema else quote(table)
    return Table(name, quoted, columns, tuple(keys), is_view=bool(view), has_triggers=bool(triggers))
