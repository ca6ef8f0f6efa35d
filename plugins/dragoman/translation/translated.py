"""What a translation gives back: outputs, and an account of every record."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from dragoman.core.batch import Reject

__all__ = ["Translated"]


@dataclass
class Translated:
    """``outputs`` carry ``_rid`` (int64). ``filtered`` counts records by reason: filter, empty, not_selected.

    ``records_in`` = ``passed`` + filtered + records of which no output was made and that have a reject.
    """

    outputs: pa.Table = field(default_factory=lambda: pa.table({}))
    records_in: int = 0
    passed: int = 0
    filtered: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
