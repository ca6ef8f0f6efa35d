"""Paths into raw JSON, with every number in its own words.

DuckDB's JSON functions print 12.50 as 12.5 and round past 17 digits; ``msgspec.Raw`` hands out the bytes as they
stand. A value that should be an object and is not is marked with ``!`` in front, which no JSON token starts with, so
that the cast which follows fails and can name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MARK", "Exploded", "explode", "project", "take_path"]

MARK = "!"
_ABSENT = msgspec.Raw(b"")
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
Tokens = list[bytes | None]
Paths = Iterable[tuple[str, ...]]


def project(column: pa.Array | pa.ChunkedArray, paths: Paths) -> dict[tuple[str, ...], pa.Array]:
    """For each path into the objects of a column its raw tokens, as a string array; null and absent are null."""
    found: dict[tuple[str, ...], Tokens] = {}
    _descend(pc.cast(column, pa.binary()).to_pylist(), _tree(paths), (), found)
    return {path: _strings(tokens) for path, tokens in found.items()}


def _tree(paths: Paths) -> dict[str, Any]:
    """Paths as nested mappings; the key ``""`` inside a mapping says that its own value is wanted too."""
    root: dict[str, Any] = {}
    for path in paths:
        node = root
        for key in path:
            node = node.setdefault(key, {})
        node[""] = {}
    return root


def _descend(
    tokens: Tokens, tree: Mapping[str, Any], at: tuple[str, ...], found: dict[tuple[str, ...], Tokens]
) -> None:
    keys = [key for key in tree if key]
    if "" in tree:
        found[at] = tokens
    if not keys:
        return
    for key, values in zip(keys, _members(tokens, keys), strict=True):
        _descend(values, tree[key], (*at, key), found)


def _members(tokens: Tokens, keys: Sequence[str]) -> list[Tokens]:
    names = [f"m{number}" for number in range(len(keys))]
    shape = msgspec.defstruct(
        "Members",
        [(name, msgspec.Raw, _ABSENT) for name in names],
        rename=dict(zip(names, keys, strict=True)),
        gc=False,
    )
    objects = _objects(tokens, shape)
    columns: list[Tokens] = []
    for name in names:
        values: Tokens = []
        for one, token in zip(objects, tokens, strict=True):
            if one is None:
                values.append(None if token is None else _marked(token))
                continue
            raw = bytes(getattr(one, name))
            values.append(raw if raw and raw != b"null" else None)
        columns.append(values)
    return columns


def _objects(tokens: Tokens, shape: type[msgspec.Struct]) -> list[Any]:
    """Each token as an object, or None; all at once, and one by one only where some are none."""
    try:
        joined = b"[" + b",".join([token or b"null" for token in tokens]) + b"]"
        objects: list[Any] = msgspec.json.Decoder(list[shape | None]).decode(joined)  # type: ignore[valid-type]
        if len(objects) == len(tokens):
            return objects
    except msgspec.DecodeError:
        pass
    decoder, objects = msgspec.json.Decoder(shape), []
    for token in tokens:
        try:
            objects.append(None if token is None else decoder.decode(token))
        except msgspec.DecodeError:
            objects.append(None)
    return objects


def _marked(token: bytes) -> bytes | None:
    mark = MARK.encode()
    if token.strip() == b"null":
        return None
    return token if token.startswith(mark) else mark + token


def _strings(tokens: Tokens) -> pa.Array:
    return pa.array(tokens, type=pa.binary()).cast(pa.string())


def take_path(column: pa.Array | pa.ChunkedArray, path: tuple[str, ...]) -> pa.Array | pa.ChunkedArray:
    """A member of a native struct column."""
    for key in path:
        column = pc.struct_field(column, key)
    return column


@dataclass(frozen=True)
class Exploded:
    """Lists as rows: ``parents`` is each element's row, ``lines`` its place in its list (from 1), both int64.

    ``empty`` and ``broken`` are the rows whose list has no element, and those whose value is no list.
    """

    elements: pa.Array
    parents: pa.Array
    lines: pa.Array
    empty: list[int]
    broken: list[int]


def explode(column: pa.Array | pa.ChunkedArray) -> Exploded:
    """One row per element of each list: a raw JSON array or a native list. An empty or null list gives none."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return _explode_native(column) if pa.types.is_nested(column.type) else _explode_words(column)


def _explode_words(column: pa.Array) -> Exploded:
    elements: Tokens = []
    parents: list[int] = []
    lines: list[int] = []
    empty: list[int] = []
    broken: list[int] = []
    for row, token in enumerate(pc.cast(column, pa.binary()).to_pylist()):
        try:
            items = _LIST.decode(token) if token is not None and token != b"null" else []
        except msgspec.DecodeError:
            broken.append(row)
            continue
        if not items:
            empty.append(row)
            continue
        for line, item in enumerate(items, 1):
            raw = bytes(item)
            elements.append(None if raw == b"null" else raw)
            parents.append(row)
            lines.append(line)
    return Exploded(_strings(elements), pa.array(parents, pa.int64()), pa.array(lines, pa.int64()), empty, broken)


def _explode_native(column: pa.Array) -> Exploded:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_pylist()
    return Exploded(
        pc.list_flatten(column),
        pc.list_parent_indices(column).cast(pa.int64()),
        pa.array([line for length in lengths for line in range(1, length + 1)], pa.int64()),
        [row for row, length in enumerate(lengths) if not length],
        [],
    )
