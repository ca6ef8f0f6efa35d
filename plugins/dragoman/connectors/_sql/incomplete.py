"""Outputs that lack what their delivery goes by: a part of the key, or the version."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import Refused
from dragoman.core.ports import DeliverRequest

__all__ = ["incomplete"]


def incomplete(outputs: pa.Table, request: DeliverRequest, *, erasing: bool = False) -> dict[int, Refused]:
    """The rows with a NULL in the key (``key.null``), or as version (``version.null``), by their number."""
    refused: dict[int, Refused] = {}
    if not erasing and request.mode != "upsert":
        return refused
    for name in request.key:
        _without(outputs, name, "key.null", "is part of the key and is NULL", refused)
    if request.version and not erasing:
        said = "is the version and is NULL, so whether the row is newer than what is there cannot be known"
        _without(outputs, request.version, "version.null", said, refused)
    return refused


def _without(outputs: pa.Table, name: str, code: str, said: str, refused: dict[int, Refused]) -> None:
    column = outputs.column(name)
    if column.null_count:
        for row in pc.indices_nonzero(pc.is_null(column)).to_pylist():
            refused.setdefault(row, Refused(row, code, f"{name!r} {said}", name))
