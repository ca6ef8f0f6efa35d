"""What an upsert does with a row that is there: which columns it overwrites, and whether it may."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from dragoman.connectors._sql.identifiers import quote, quote_all
from dragoman.core.errors import FatalError
from dragoman.core.ports import DeliverRequest

__all__ = ["KEPT", "check_upsert", "on_conflict", "overwritten"]

KEPT = "_dragoman_kept"
"""How the table is called in the statement, for its row that is there."""


def overwritten(request: DeliverRequest) -> list[str]:
    """The columns that are overwritten: those of ``update`` and the version, or all but the key and ``insert_only``."""
    names = [name for name in request.schema.names if name not in request.key]
    if request.update is not None:
        return [name for name in names if name in request.update or name == request.version]
    return [name for name in names if name not in request.insert_only]


def on_conflict(request: DeliverRequest) -> str:
    """The clause after an INSERT into a table that is called ``KEPT``.

    An equal version overwrites: it is not older, and a clock may give two changes one moment. A row that is there
    without a version is overwritten too.
    """
    columns, keys = overwritten(request), quote_all(request.key)
    if not columns:
        return f"ON CONFLICT ({keys}) DO NOTHING"
    sets = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in columns)
    clause = f"ON CONFLICT ({keys}) DO UPDATE SET {sets}"
    if request.version:
        there = f"{KEPT}.{quote(request.version)}"
        clause += f" WHERE {there} IS NULL OR {there} <= excluded.{quote(request.version)}"
    return clause


def check_upsert(request: DeliverRequest) -> None:
    """Refuse names that are no output, or that stand in the key.

    Raises:
        FatalError: ``sql.upsert_column``, for all of them at once.
    """
    said = [
        *(f"key: names {name!r}, which is no output" for name in request.key if name not in request.schema.names),
        *_wrong("version", [request.version] if request.version else [], request),
        *_wrong("update", request.update or (), request),
        *_wrong("insert_only", request.insert_only, request),
    ]
    if said:
        raise FatalError("sql.upsert_column", "; ".join(said), next_step="correct the delivery")


def _wrong(option: str, names: Sequence[str], request: DeliverRequest) -> list[str]:
    said = []
    for name in names:
        if name in request.key:
            said.append(f"{option}: names {name!r}, which is part of the key")
        elif name not in request.schema.names:
            near = difflib.get_close_matches(name, request.schema.names, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            said.append(f"{option}: names {name!r}{hint}; the outputs are {', '.join(request.schema.names)}")
    return said
