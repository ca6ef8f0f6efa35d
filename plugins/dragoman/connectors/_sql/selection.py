"""What a SQL source reads: a table or a query, all columns or some."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.connectors._sql.identifiers import quote_table, split_table
from dragoman.core.errors import FatalError

__all__ = ["chosen", "key_columns", "origin_of", "relation"]


def relation(options: Mapping[str, Any]) -> str:
    """What stands after FROM, named ``source``. A query stands between line breaks: its last comment ends there."""
    query = options.get("query")
    if query:
        return f"(\n{str(query).strip().rstrip(';')}\n) AS source"
    return f"{quote_table(*split_table(str(options['table'])))} AS source"


def origin_of(options: Mapping[str, Any]) -> str:
    """What positions name."""
    return "query" if options.get("query") else str(options["table"])


def key_columns(origin: str, keys: Sequence[str], present: Sequence[str]) -> list[str]:
    """The columns that hold the keys, as the source spells them; one name in another case is the same.

    Raises:
        FatalError: ``deletes.no_key_column`` for one that is not there.
    """
    folded = {name.lower(): name for name in present}
    missing = [key for key in keys if key not in present and key.lower() not in folded]
    if missing:
        raise FatalError(
            "deletes.no_key_column",
            f"the keys of the deliveries are made of {', '.join(missing)}, and {origin} has {', '.join(present)}",
            next_step="add the column to columns:, or correct the delivery's key",
        )
    return [key if key in present else folded[key.lower()] for key in keys]


def chosen(system: str, options: Mapping[str, Any], present: Sequence[str]) -> list[str]:
    """The columns to read, in their order.

    Raises:
        FatalError: ``<system>.unknown_column`` for one that is not there (the cursor's too), ``read.duplicate_column``.
    """
    twice = [name for name, count in Counter(present).items() if count > 1]
    if twice:
        raise FatalError(
            "read.duplicate_column",
            f"the query gives several columns named {', '.join(twice)}",
            next_step="give each a name of its own by AS",
        )
    wanted = [str(name) for name in options.get("columns") or present]
    cursor = options.get("cursor") or {}
    asked = [*wanted, *(str(cursor[part]) for part in ("column", "id") if cursor.get(part))]
    for name in asked:
        if name not in present:
            near = difflib.get_close_matches(name, present, n=1)
            raise FatalError(
                f"{system}.unknown_column",
                f"{origin_of(options)} has no column {name!r}"
                + (f", did you mean {near[0]!r}?" if near else "")
                + f"; it has {', '.join(present)}",
                next_step="correct columns: or cursor:",
            )
    return wanted
