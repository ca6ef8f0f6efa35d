"""What the catalogue says of a table: where it is, its columns and the keys that an upsert may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from dragoman.connectors._sql.identifiers import quote_table, split_table
from dragoman.connectors.postgres.session import run

__all__ = ["Column", "Table", "current_schema", "read_table"]


@dataclass(frozen=True)
class Column:
    """One column. ``base`` is the type's name under any domain (``int4``, ``numeric``, ``varchar``).

    ``typmod`` is the type's modifier as the catalogue has it (-1: none): a length, or precision and scale.
    ``kind`` is ``pg_type.typtype`` (``b`` base, ``e`` enum, …).
    """

    name: str
    base: str
    typmod: int
    shown: str
    kind: str
    generated: bool
    always_identity: bool
    nullable: bool

    @property
    def length(self) -> int:
        """The greatest number of characters of a varchar or char, -1 where there is no limit."""
        return self.typmod - 4 if self.base in {"varchar", "bpchar"} and self.typmod >= 4 else -1

    @property
    def digits(self) -> tuple[int, int] | None:
        """Precision and scale of a numeric, None where it has no limit."""
        if self.base != "numeric" or self.typmod < 4:
            return None
        packed = self.typmod - 4
        scale = packed & 0x7FF
        return (packed >> 16) & 0xFFFF, scale - 0x800 if scale >= 0x400 else scale

    @property
    def fraction(self) -> int:
        """Digits of a second that a time or timestamp keeps."""
        return self.typmod if self.typmod >= 0 else 6


@dataclass(frozen=True)
class Table:
    """A table that exists.

    ``keys`` are the column sets of its usable unique indexes, ``needed`` the columns without which no row goes in.
    """

    oid: int
    schema: str
    name: str
    columns: dict[str, Column]
    keys: tuple[frozenset[str], ...]
    needed: tuple[str, ...]

    @property
    def quoted(self) -> str:
        """Its full name for statements."""
        return quote_table(self.schema, self.name)

    def __str__(self) -> str:
        """Its full name for people."""
        return f"{self.schema}.{self.name}"


_COLUMNS = """
WITH RECURSIVE base AS (
  SELECT a.attnum, a.attname, a.atttypid AS typid, a.atttypmod AS typmod,
         format_type(a.atttypid, a.atttypmod) AS shown, a.attgenerated, a.attidentity, a.attnotnull
  FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT b.attnum, b.attname, t.typbasetype, t.typtypmod, b.shown, b.attgenerated, b.attidentity,
         b.attnotnull OR t.typnotnull
  FROM base b JOIN pg_type t ON t.oid = b.typid WHERE t.typtype = 'd'
)
SELECT b.attname, t.typname, b.typmod, b.shown, t.typtype::text, b.attgenerated::text, b.attidentity::text, b.attnotnull
FROM base b JOIN pg_type t ON t.oid = b.typid AND t.typtype <> 'd' ORDER BY b.attnum
"""
_NEEDED = """
SELECT a.attname::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef
  AND a.attidentity = '' AND t.typdefault IS NULL
  AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = a.attrelid AND NOT g.tgisinternal AND g.tgtype & 2 > 0)
ORDER BY a.attnum
"""
"""A trigger that works before a row goes in may fill what is missing."""
_KEYS = """
SELECT array_agg(a.attname::text) FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid
"""


def read_table(server: psycopg.Connection[Any], name: str) -> Table | None:
    """The table of that name (``schema.table``, or ``table`` by the search path); None where there is none."""
    schema, table = split_table(name)
    found = run(
        server,
        "SELECT c.oid, n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.oid = to_regclass(%s)",
        (quote_table(schema, table),),
    )
    if not found:
        return None
    oid, schema, table = found[0]
    columns = {
        row[0]: Column(row[0], row[1], row[2], row[3], row[4], row[5] != "", row[6] == "a", not row[7])
        for row in run(server, _COLUMNS, (oid,))
    }
    keys = tuple(frozenset(row[0]) for row in run(server, _KEYS, (oid,)))
    needed = tuple(row[0] for row in run(server, _NEEDED, (oid,)))
    return Table(oid, schema, table, columns, keys, needed)


def current_schema(server: psycopg.Connection[Any]) -> str:
    """The schema in which a table without a written schema is made."""
    return str(run(server, "SELECT current_schema()")[0][0] or "public")
