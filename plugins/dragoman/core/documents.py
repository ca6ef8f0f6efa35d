"""JSON records on their way into Arrow, as raw tokens: nothing is rounded, nothing is guessed.

NDJSON, JSON arrays and the pages of an API are staged alike: a column for each top-level key, a raw JSON token for
each value (``fieldtype.words_field(json=True)``), so that ``12.50`` stays ``12.50``. What RFC 8259 leaves open is
refused: duplicate keys (also within), NaN and Infinity, lone surrogates, text that is not UTF-8, nesting without end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import POSITION, RID
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import words_field

__all__ = ["list_at", "read_objects", "table_of"]

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL = msgspec.Raw(b"null")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_COLONS = (b'":', b" :", b"\t:", b"\n:", b"\r:")
"""Every colon behind a key is counted by exactly one of these; some colons within texts are counted too."""

Token = bytes | msgspec.Raw


def read_objects(texts: Sequence[Token]) -> tuple[list[dict[str, msgspec.Raw]], dict[int, str]]:
    """Decode one JSON object from each text.

    Returns:
        The objects of the sound texts, in order, and by index (0-based) what is wrong with each of the others.
    """
    broken: dict[int, str] = {}
    try:
        records = [_OBJECT.decode(text) for text in texts]
        b"".join(texts).decode("utf-8")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        records = []
        for at, text in enumerate(texts):
            record = _try(text)
            if isinstance(record, str):
                broken[at] = record
            else:
                records.append(record)
    sound = [text for at, text in enumerate(texts) if at not in broken] if broken else texts
    twice = _doubled(sound, records)
    if twice:
        places = [at for at in range(len(texts)) if at not in broken]
        broken |= {places[at]: why for at, why in twice.items()}
        records = [record for at, record in enumerate(records) if at not in twice]
    return records, dict(sorted(broken.items()))


def table_of(records: Sequence[dict[str, msgspec.Raw]]) -> pa.Table:
    """The records as a table of raw tokens; JSON null and an absent key are NULL.

    Raises:
        FatalError: ``json.key`` where a key is a name that is kept for hidden columns.
    """
    names: dict[str, None] = {}
    for record in records:
        if len(record) != len(names) or record.keys() != names.keys():
            names.update(dict.fromkeys(record))
    kept = names.keys() & {POSITION, RID}
    if kept:
        raise FatalError(
            "json.key",
            f"the records have a key {min(kept)!r}, a name that is kept for Dragoman itself",
            next_step="have the key renamed at the source, or read a file format or a path that leaves it out",
        )
    columns = [_column([record.get(name, _NULL) for record in records]) for name in names]
    return pa.table(columns, schema=pa.schema([words_field(name, json=True) for name in names]))


def list_at(document: bytes, path: str = "") -> list[msgspec.Raw]:
    """The elements of the list at ``path`` (keys parted by dots; empty: the document is the list).

    Raises:
        FatalError: ``json.broken`` with the byte at which the document breaks, ``json.records`` where there is no
            list at the path.
    """
    try:
        document.decode("utf-8")
        here: Any = msgspec.json.decode(document, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FatalError(
            "json.broken",
            f"the JSON document is broken: {_why(document, error)} (it has {len(document)} bytes)",
            next_step="have it sent again; nothing of it was taken over",
        ) from error
    keys = path.split(".") if path else []
    for at, key in enumerate(keys):
        inner = _try_as(here, dict[str, msgspec.Raw])
        if inner is None or key not in inner:
            found = "no object" if inner is None else "an object with " + (", ".join(sorted(inner)[:20]) or "no keys")
            raise _no_list(path, f"{'.'.join(keys[:at]) or 'the document'} is {found}, and {key!r} is wanted of it")
        here = inner[key]
    items = _try_as(here, list[msgspec.Raw])
    if items is None:
        shown = bytes(here)[:40].decode("utf-8", "replace")
        raise _no_list(path, f"{path or 'the document'} is no list: {shown}")
    return list(items)


def _no_list(path: str, why: str) -> FatalError:
    return FatalError(
        "json.records",
        f"no list of records was found: {why}",
        next_step=f"correct records: {path}" if path else "write where the list stands, such as records: data.items",
    )


def _try_as(text: Token, kind: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError:
        return None


def _try(text: Token) -> dict[str, msgspec.Raw] | str:
    try:
        bytes(text).decode("utf-8")
        return _OBJECT.decode(text)
    except msgspec.ValidationError as error:
        return f"it is no object: {error}"
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return _why(bytes(text), error)


def _why(text: bytes, error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if _SURROGATE.search(text) and "truncated" in str(error) and text.rstrip()[-1:] in {b"}", b"]"}:
        return "it has one half of a surrogate pair"
    return str(error)


def _column(tokens: list[msgspec.Raw]) -> pa.Array:
    """The tokens as a text array. No JSON token holds a NUL, so that Arrow can part them again."""
    joined = pa.array([b"\0".join(tokens)], pa.large_string())
    values = pc.split_pattern(joined, "\0").flatten().cast(pa.string())
    return pc.if_else(pc.equal(values, "null"), pa.scalar(None, pa.string()), values)


def _doubled(texts: Sequence[Token], records: Sequence[dict[str, msgspec.Raw]]) -> dict[int, str]:
    """What is wrong with records that have no key, an empty key, or a key twice.

    All keys are counted in the text, which costs little; only where more are counted than were decoded (a colon
    within a text may be the reason) is a record looked at more closely.
    """
    wrong = {at: "the object has no key" for at, record in enumerate(records) if not record}
    if any("" in record for record in records):
        wrong |= {at: "an object has an empty key" for at, record in enumerate(records) if "" in record}
    seen, known = _seen(b"".join(texts)), sum(map(len, records))
    if seen == known or seen == known + sum(map(_inner_keys, records)):
        return wrong
    for at, (text, record) in enumerate(zip(texts, records, strict=True)):
        if _seen(bytes(text)) != len(record) + _inner_keys(record):
            key = _twice(bytes(text))
            if key is not None:
                wrong[at] = f"the key {key!r} stands twice in one object"
    return wrong


def _seen(text: bytes) -> int:
    seen = sum(text.count(colon) for colon in _COLONS)
    return seen if b"\\\\" in text else seen - text.count(b'\\":')  # an escaped quote ends no key


def _inner_keys(record: dict[str, msgspec.Raw]) -> int:
    return sum(_keys(msgspec.json.decode(value)) for value in record.values() if memoryview(value)[0] in b"{[")


def _keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_keys, value.values()))
    return sum(map(_keys, value)) if isinstance(value, list) else 0


def _twice(text: bytes) -> str | None:
    found: list[str] = []

    def note(pairs: Iterable[tuple[str, Any]]) -> None:
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                found.append(name)
            names.add(name)

    json.loads(text, object_pairs_hook=note)
    return found[0] if found else None
