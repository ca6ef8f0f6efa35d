"""The check of a ``sql:`` file: one SELECT, nothing else."""

from __future__ import annotations

import json
import threading
from typing import Any

import duckdb

from dragoman.core.errors import ConfigError

__all__ = ["check_select"]

_LOCK = threading.Lock()


def check_select(text: str, file: str) -> bool:
    """Whether the query takes columns without naming them (``*``, a whole row); nothing is run.

    ``ConfigError`` ``translation.sql`` unless the text is one SELECT that DuckDB can parse.
    """
    with _LOCK, duckdb.connect(":memory:", config={"threads": 1}) as connection:
        row = connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [text]).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if row and not tree["error"] and len(tree["statements"]) == 1:
        return '"STAR"' in row[0] or '"PIVOT"' in row[0]
    said = str(tree.get("error_message", f"{len(tree.get('statements', []))} statements")).split("\n", 1)[0]
    if "Only SELECT" in said:
        said = "it is more than a SELECT"
    raise ConfigError(
        "translation.sql", f"{file}: {said}; one SELECT is expected", next_step="keep the file to one SELECT statement"
    )
