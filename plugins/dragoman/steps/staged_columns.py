"""The columns of a staged record, kept with a reject, so that its original can be staged again as it was.

A reject's ``shape`` is the base64 of an Arrow schema (see ``fieldtype`` for the words and types of its columns), with
the node whose stage the record comes from and what was seen of its JSON values in the metadata.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
import pyarrow as pa

from dragoman.core.batch import HIDDEN
from dragoman.core.fieldtype import words_of
from dragoman.translation.kinds import Tallies

__all__ = ["Columns", "columns_of", "packed_columns", "tallies_in", "tokens_of", "with_start"]

START = b"dragoman:start"
TALLIES = b"dragoman:tallies"
_TOKENS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Columns(msgspec.Struct, frozen=True):
    """``start``: the node that staged the record; ``fields``: its columns; ``tallies``: see ``kinds.observe``."""

    start: str
    fields: pa.Schema
    tallies: Tallies


def with_start(table: pa.Table, start: str, tallies: Mapping[str, Mapping[str, int]]) -> pa.Table:
    """The table with the node that staged it, and what was seen of its JSON, in its schema's metadata."""
    metadata = dict(table.schema.metadata or {})
    metadata |= {START: start.encode(), TALLIES: json.dumps(tallies).encode()}
    return table.replace_schema_metadata(metadata)


def tallies_in(schema: pa.Schema) -> Tallies:
    """What was seen of the JSON values, as the metadata say."""
    found = json.loads((schema.metadata or {}).get(TALLIES, b"{}"))
    return {name: Counter(tally) for name, tally in found.items()}


def packed_columns(table: pa.Table) -> str:
    """The columns of a staged table as text; empty where nothing says which node staged it."""
    metadata = table.schema.metadata or {}
    if START not in metadata:
        return ""
    fields = [field for field in table.schema if field.name not in HIDDEN]
    kept = {name: metadata[name] for name in (START, TALLIES) if name in metadata}
    return base64.b64encode(pa.schema(fields, metadata=kept).serialize()).decode()


@lru_cache(maxsize=256)
def columns_of(shape: str) -> Columns:
    """The columns that ``packed_columns`` packed."""
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(shape)))
    start = (schema.metadata or {}).get(START, b"").decode()
    return Columns(start, schema.remove_metadata(), tallies_in(schema))


def tokens_of(originals: Sequence[str], fields: pa.Schema) -> pa.Table:
    """Records as JSON objects (``rejects.original_of``) as the columns they were; what one lacks is null.

    Raises:
        pa.ArrowInvalid: a value of a native column does not fit.
    """
    records = [_TOKENS.decode(text) for text in originals]
    columns = [_column([record.get(field.name) for record in records], field) for field in fields]
    return pa.Table.from_arrays(columns, schema=fields)


def _column(tokens: Sequence[msgspec.Raw | None], field: pa.Field) -> pa.Array:
    words = words_of(field)
    texts = [None if token is None or bytes(token) == b"null" else bytes(token).decode() for token in tokens]
    if words == "json":
        return pa.array(texts, field.type)
    plain = [_plain(text) for text in texts]
    if words:
        return pa.array(plain, field.type)
    if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
        return pa.array([None if text is None else base64.b64decode(text) for text in plain], field.type)
    return pa.array(plain, pa.string()).cast(field.type)


def _plain(token: str | None) -> str | None:
    """A JSON string without its quotes; any other token as it stands."""
    if token is None or not token.startswith('"'):
        return token
    return str(msgspec.json.decode(token))
