"""Deletions that the source tells by a column: a batch in pieces that are either written or erased.

Their order is kept wherever it matters: of two records that may have the same key in a delivery, the later one has the
last word. Records of other keys may go before each other, so that a few deletions among many records make few pieces;
where the keys are more than plain columns nothing is moved, and the pieces follow each other as the records do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import POSITION, ReadBatch, Reject
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import words_of
from dragoman.core.flow import DeletesSpec
from dragoman.steps.rejects import original_of

__all__ = ["pieces"]

_NUMBER = re.compile(r"[+-]?\d{1,60}(\.\d{1,60})?(e[+-]?\d{1,3})?")
_MOMENT = re.compile(r"\d{4}-\d\d|\d\d:\d\d")
_BOOLEAN = {"true": Decimal(1), "false": Decimal(0)}
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})


def pieces(item: ReadBatch, spec: DeletesSpec) -> Iterator[ReadBatch]:
    """The batch as it is where nothing is deleted in it, else in pieces, each with the positions of its records.

    Raises:
        FatalError: ``deletes.no_column``: the source has no such column.
    """
    name = _found(item.table, spec.column)
    if name is None:
        if item.table.num_rows and not _documents(item.table):
            raise FatalError(
                "deletes.no_column",
                f"deletes: names the column {spec.column!r}, and the source has {', '.join(item.table.column_names)}",
                next_step="correct the name, or add it to columns:",
            )
        yield item
        return
    flags = [_flag(word) for word in _words(item.table, name)]
    if not any(flag is not False for flag in flags):
        yield item
        return
    table = _placed(item)
    bad = [row for row, flag in enumerate(flags) if flag is None]
    rejects = item.rejects + [_unreadable(item, name, row) for row in bad]
    first = True
    for deleted, rows in _in_order(table, flags, spec.keys):
        piece = ReadBatch(table.take(pa.array(rows, pa.int64())), item.origin, item.first, deleted=deleted)
        if first:
            piece.rejects, piece.filtered, first = rejects, item.filtered, False
        yield piece
    if first:
        yield ReadBatch(table.slice(0, 0), item.origin, item.first, rejects=rejects, filtered=item.filtered)


def _found(table: pa.Table, column: str) -> str | None:
    folded = {name.lower(): name for name in table.column_names}
    return column if column in table.column_names else folded.get(column.lower())


def _documents(table: pa.Table) -> bool:
    return any(words_of(field) == "json" for field in table.schema)


def _words(table: pa.Table, name: str) -> list[Any]:
    """Each value's words, a JSON text without its quotes; NULL is None."""
    column = table.column(name)
    if words_of(table.schema.field(name)) == "json":
        column = pc.utf8_trim(column, '"')
    return list(column.to_pylist())


def _flag(word: Any) -> bool | None:
    """Whether a record is deleted: NULL and an absent value say no; None where it is no boolean."""
    if word is None or isinstance(word, bool):
        return bool(word)
    text = str(word).strip().lower()
    return True if text in _TRUE else False if text in _FALSE or text == "null" else None


def _placed(item: ReadBatch) -> pa.Table:
    """The table with a position of each record's own, since rows are about to move."""
    table = item.table
    if POSITION in table.column_names:
        return table
    places = pa.array(range(item.first, item.first + table.num_rows), pa.int64())
    return table.append_column(POSITION, places)


def _unreadable(item: ReadBatch, name: str, row: int) -> Reject:
    value = item.table.column(name)[row].as_py()
    places = item.table.column(POSITION) if POSITION in item.table.column_names else None
    place = item.first + row if places is None else places[row].as_py()
    whole = place if isinstance(place, str) else f"{item.origin}:{place}" if item.origin else str(place)
    said = f"{name} is {str(value)[:60]!r}, which says neither true nor false: nobody can tell whether it is deleted"
    return Reject("deletes.not_boolean", said, "read", name, whole, original_of(item.table, row))


def _in_order(table: pa.Table, flags: list[bool | None], keys: tuple[str, ...]) -> Iterator[tuple[bool, list[int]]]:
    """Rows in pieces: written, erased, written, … Each row goes into the first piece after all rows of its key."""
    names = [found for key in keys if (found := _found(table, key)) is not None]
    known = bool(keys) and len(names) == len(keys)
    columns = [table.column(name).to_pylist() for name in names] if known else []
    steps: list[list[int]] = []
    last: dict[Any, int] = {}
    for row, flag in enumerate(flags):
        if flag is None:
            continue
        key = tuple(_coarse(column[row]) for column in columns)
        step = last.get(key, 0)
        if step % 2 != int(flag):
            step += 1
        last[key] = step
        while len(steps) <= step:
            steps.append([])
        steps[step].append(row)
    for step, rows in enumerate(steps):
        if rows:
            yield bool(step % 2), rows


def _coarse(word: Any) -> Any:
    """Equal for all values that could become the same key by an exact cast; it may be equal for more."""
    text = str("" if word is None else word).strip().strip('"').strip().lower()
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    return "a moment" if _MOMENT.match(text) else _BOOLEAN.get(text, text)
