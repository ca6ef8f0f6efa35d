"""Names in SQL: always quoted, so that a name can never be read as anything else."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from dragoman.core.errors import FatalError

__all__ = [
    "check_case",
    "check_columns",
    "check_needed",
    "quote",
    "quote_all",
    "quote_table",
    "short_name",
    "split_table",
]

_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quote(name: str) -> str:
    """One identifier, as standard SQL quotes it: ``a"b`` becomes ``"a""b"``."""
    if "\0" in name:
        raise FatalError("sql.identifier", f"the name {name!r} holds a NUL character", next_step="rename the column")
    return '"' + name.replace('"', '""') + '"'


def quote_all(names: Iterable[str]) -> str:
    """Identifiers, quoted and joined by commas."""
    return ", ".join(quote(name) for name in names)


def split_table(name: str) -> tuple[str, str]:
    """``schema.table`` in its two parts; the schema is empty where none is written."""
    schema, _, table = name.rpartition(".")
    for part in (schema, table) if schema else (table,):
        if not _PART.fullmatch(part):
            raise FatalError(
                "sql.identifier",
                f"{name!r} is not a table's name: letters, digits and _ are allowed, with one dot after the schema",
                next_step="write table: orders, or table: public.orders",
            )
    return schema, table


def quote_table(schema: str, table: str) -> str:
    """A table's name with its schema, if it has one."""
    return f"{quote(schema)}.{quote(table)}" if schema else quote(table)


def short_name(prefix: str, *parts: str) -> str:
    """A name for a helping table: the same for the same parts, short enough for every database."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()
    return f"{prefix}_{digest}"


def check_case(system: str, names: Sequence[str]) -> None:
    """Refuse outputs whose names differ in upper and lower case only, where the system takes them for one column.

    Raises:
        FatalError: ``sql.column_case``, for all of them at once.
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.encode().lower().decode(), []).append(name)
    twice = [", ".join(map(repr, each)) for each in alike.values() if len(each) > 1]
    if twice:
        raise FatalError(
            "sql.column_case",
            f"the outputs {'; '.join(twice)} differ in upper and lower case only, which to {system} is one column",
            next_step="name them apart under fields: of the translation, or leave one of them out",
        )


def check_columns(system: str, table: str, outputs: Sequence[pa.Field], columns: Sequence[str]) -> None:
    """Refuse, all at once, the outputs for which the table has no column.

    Raises:
        FatalError: ``<system>.unknown_column``, with the nearest column for each.
    """
    missing = [field.name for field in outputs if field.name not in columns]
    if not missing:
        return
    words = []
    for name in missing:
        near = difflib.get_close_matches(name, columns, n=1)
        words.append(f"{name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    raise FatalError(
        f"{system}.unknown_column",
        f"table {table} has no column for {', '.join(words)}; it has {', '.join(columns)}",
        next_step="name the output as the column is named, or add the column to the table",
    )


def check_needed(system: str, table: str, outputs: Sequence[pa.Field], needed: Iterable[str]) -> None:
    """Refuse a map that leaves out columns without which the table takes no row at all.

    Raises:
        FatalError: ``<system>.missing_column``, for all columns at once.
    """
    made = {field.name for field in outputs}
    missing = [name for name in needed if name not in made]
    if missing:
        raise FatalError(
            f"{system}.missing_column",
            f"table {table} takes no row without {', '.join(map(repr, missing))} (NOT NULL, no default), "
            f"and the outputs are {', '.join(made) or 'none'}",
            next_step="make them in the translation, or give the columns a default",
        )
