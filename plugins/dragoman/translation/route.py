"""``when:`` and ``when: else``: which delivery takes which output."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core import clock
from dragoman.core.batch import HIDDEN
from dragoman.core.errors import ConfigError, FatalError
from dragoman.translation.expression import over_outputs
from dragoman.translation.sandbox import Sandbox, plain

__all__ = ["route"]

_LOCK = threading.Lock()
_sandboxes: list[Sandbox] = []


def route(
    outputs: pa.Table, whens: Mapping[str, tuple[str, bool]], moment: datetime | None = None
) -> tuple[dict[str, pa.Table], int]:
    """Each delivery's share of the outputs, and how many outputs no delivery takes (``no_route``).

    ``whens``: by delivery its condition and whether it is the ``else``. A delivery with neither takes everything and
    does not count for ``else``. NULL is not true; conditions may overlap. ``moment``: what ``now()`` gives.
    """
    names = {name: f"o_{number}" for number, name in enumerate(outputs.column_names) if name not in HIDDEN}
    conditions = {
        name: over_outputs(when, f"when of {name}", names).sql for name, (when, _else) in whens.items() if when
    }
    masks = _evaluate(outputs, conditions, {name: when for name, (when, _else) in whens.items()}, moment or clock.now())
    taken = pa.repeat(pa.scalar(False), outputs.num_rows)
    for mask in masks.values():
        taken = pc.or_(taken, mask)
    rest = pc.invert(taken)
    shares: dict[str, pa.Table] = {}
    everyone = False
    for name, (when, otherwise) in whens.items():
        if when:
            shares[name] = outputs.filter(masks[name])
        elif otherwise:
            shares[name] = outputs.filter(rest)
            everyone = True
        else:
            shares[name] = outputs
            everyone = True
    return shares, 0 if everyone else int(pc.sum(rest.cast(pa.int64())).as_py() or 0)


def _evaluate(
    outputs: pa.Table, conditions: Mapping[str, str], texts: Mapping[str, str], moment: datetime
) -> dict[str, pa.ChunkedArray]:
    if not conditions:
        return {}
    renamed = outputs.rename_columns([f"o_{number}" for number in range(outputs.num_columns)])
    columns = ", ".join(f"({sql}) IS TRUE AS w_{number}" for number, sql in enumerate(conditions.values()))
    with _LOCK:
        if not _sandboxes:
            _sandboxes.append(Sandbox())
        sandbox = _sandboxes[0]
        sandbox.stop_clock(moment)
        sandbox.register("outputs", renamed)
        query = f"SELECT {columns} FROM outputs"
        try:
            sandbox.types(query)
        except duckdb.Error as error:
            raise ConfigError(
                "translation.expression",
                f"when ({'; '.join(text for text in texts.values() if text)}): {plain(error)}",
                next_step="write a condition over the outputs",
            ) from error
        try:
            found = sandbox.table(query)
        except duckdb.Error as error:
            raise FatalError(
                "route.failed",
                f"when ({'; '.join(text for text in texts.values() if text)}): {plain(error)}",
                next_step="guard it with TRY(…): NULL is not true",
            ) from error
        finally:
            sandbox.connection.unregister("outputs")
    return {name: found.column(f"w_{number}") for number, name in enumerate(conditions)}
