r"""The key of a record as text, the same for every run and on every machine: ``column=value,…``.

So a person writes it (``dragoman prove orders order=A-17,line=2``), so it goes to peers with an item, and so receipts
hash it. The columns are those of the delivery's ``key:``, in its order; without one, the id column of the source's
cursor; else ``_rid`` with the id of the record (``_rid=<run_id>:<rid>``). Values are as text formats write them
(``formats/words.py``); NULL is the empty text. A backslash stands before ``,``, ``=`` and ``\`` within a name or a
value.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.fieldtype import words_of
from dragoman.formats.words import words

__all__ = ["escaped", "key_prefix", "key_texts", "value_texts"]

_SPECIAL = ("\\", ",", "=")


def key_prefix(name: str, *, first: bool = True) -> str:
    """What stands before the value of a column."""
    return ("" if first else ",") + escaped(name) + "="


def escaped(text: str) -> str:
    """A name or a value as it stands in a key."""
    for special in _SPECIAL:
        text = text.replace(special, "\\" + special)
    return text


def key_texts(table: pa.Table, columns: Sequence[str]) -> pa.Array:
    """The key of each row, whole."""
    pieces: list[pa.Array | pa.Scalar] = []
    for at, name in enumerate(columns):
        pieces += [pa.scalar(key_prefix(name, first=at == 0)), value_texts(table, name)]
    return pc.binary_join_element_wise(*pieces, "")


def value_texts(table: pa.Table, name: str) -> pa.Array:
    """The values of a column as they stand in keys; NULL is the empty text."""
    column, field = table.column(name), table.schema.field(name)
    if words_of(field) == "json" and b"dragoman:words" in (field.metadata or {}):
        texts = pa.array([_unquoted(token) for token in column.to_pylist()], pa.string())
    else:
        texts = _whole(words(column))
    if not _is_plain(column.type):
        for special in _SPECIAL:
            texts = pc.replace_substring(texts, special, "\\" + special)
    return texts.fill_null("") if texts.null_count else texts


def _is_plain(kind: pa.DataType) -> bool:
    """Whether no value of the type needs a backslash."""
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_date(kind))


def _unquoted(token: str | None) -> str | None:
    """The value of a raw JSON token: a text without its quotes, anything else as it is."""
    if token is None or not token.startswith('"'):
        return token
    return str(json.loads(token))


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
