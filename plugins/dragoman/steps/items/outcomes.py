"""What became of items, as the ledger and the stage keep it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
import pyarrow as pa

from dragoman.core.batch import Refused
from dragoman.core.items import DELIVERED, UNKNOWN, Outcome

__all__ = [
    "in_doubt",
    "outcomes_of",
    "outcomes_table",
    "packed_outcomes",
    "packed_rows",
    "refusals",
    "rows_of",
    "unpacked",
]

IN_DOUBT = "deliver.in_doubt"
_SCHEMA = pa.schema(
    [("row", pa.int64()), *((name, pa.large_string()) for name in Outcome._fields), ("tries", pa.int32())]
)


def packed_rows(rows: Sequence[int]) -> str:
    """Rows as spans, in their order: ``0-499,700``."""
    spans: list[list[int]] = []
    for row in rows:
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def rows_of(text: str) -> list[int]:
    """The rows of such a text."""
    rows: list[int] = []
    for span in text.split(","):
        first, _, last = span.partition("-")
        rows.extend(range(int(first), int(last or first) + 1))
    return rows


def packed_outcomes(outcomes: Iterable[Outcome]) -> str:
    """As JSON: one that is delivered is the peer's id alone."""
    return msgspec.json.encode([one.remote_id if one.state == DELIVERED else list(one) for one in outcomes]).decode()


def unpacked(text: str) -> list[Outcome]:
    """The outcomes of such a text."""
    return [
        Outcome(DELIVERED, remote_id=one) if isinstance(one, str) else Outcome(*one)
        for one in msgspec.json.decode(text)
    ]


def outcomes_table(outcomes: Mapping[int, Outcome], tries: Mapping[int, int]) -> pa.Table:
    """One row per item, as the stage keeps it."""
    rows = sorted(outcomes)
    columns = {name: [getattr(outcomes[row], name) for row in rows] for name in Outcome._fields}
    return pa.Table.from_pydict({"row": rows, **columns, "tries": [tries.get(row, 0) for row in rows]}, schema=_SCHEMA)


def outcomes_of(table: pa.Table) -> dict[int, Outcome]:
    """The outcomes of such a table, by row."""
    columns = [table.column(name).to_pylist() for name in ("row", *Outcome._fields)]
    return {row: Outcome(*rest) for row, *rest in zip(*columns, strict=True)}


def in_doubt(outcome: Outcome, sent_at: datetime, item: str) -> Outcome:
    """The outcome of an item of which nobody can tell any more."""
    why = outcome.message or "the program ended before the answer was on record"
    message = (
        f"{item} was sent at {sent_at:%Y-%m-%d %H:%M:%S} UTC and may have arrived: {why}; "
        "the destination can neither be asked for it nor take it twice"
    )
    return Outcome(UNKNOWN, IN_DOUBT, message, answer=outcome.answer)


def refusals(outcomes: Mapping[int, Outcome]) -> list[Refused]:
    """What is not delivered, by row."""
    return [
        Refused(row, one.code, one.message, one.field, one.answer, in_doubt=one.state == UNKNOWN)
        for row, one in sorted(outcomes.items())
        if one.state != DELIVERED
    ]
