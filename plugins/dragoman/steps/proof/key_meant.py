"""The key that a person means: ``column=value,…`` or a JSON object, written as receipts have it."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dragoman.core.errors import ConfigError
from dragoman.core.fieldtype import FieldType, arrow_field, parse_type
from dragoman.steps.proof.record_key import key_texts

__all__ = ["key_meant", "parse_key"]

_PAIR = re.compile(r"((?:\\.|[^\\=,])+)=((?:\\.|[^\\,])*)(?:,|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_WORDS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def _boolean(text: str) -> bool:
    return _WORDS[text.lower()]


def _exact(text: str) -> Decimal:
    return Decimal(text)


_READ: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "decimal": _exact,
    "double": float,
    "boolean": _boolean,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timestamp": dt.datetime.fromisoformat,
    "timestamptz": dt.datetime.fromisoformat,
    "binary": lambda text: bytes.fromhex(text.removeprefix("\\x")),
}


def parse_key(text: str) -> dict[str, str | None]:
    r"""The columns and values that were written.

    Raises:
        ConfigError: ``prove.bad_key``: it is neither ``column=value,…`` nor a JSON object.
    """
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text, parse_float=Decimal)
        except json.JSONDecodeError as error:
            raise _bad(text, f"it begins like JSON and is none: {error}") from error
        return {name: _text(value) for name, value in found.items()}
    pairs: dict[str, str | None] = {}
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None:
            raise _bad(text, f"{text[at:]!r} is not column=value")
        pairs[_ESCAPE.sub(r"\1", match[1]).strip()] = _ESCAPE.sub(r"\1", match[2])
        at = match.end()
    if not pairs:
        raise _bad(text, "it is empty")
    return pairs


def key_meant(pairs: dict[str, str | None], keyed_by: Sequence[Sequence[str]]) -> str:
    """The key's text for these columns with these types; empty where others were written.

    Raises:
        ConfigError: ``prove.bad_key``: a value is none of its column's type.
    """
    if {name for name, _kind in keyed_by} != set(pairs):
        return ""
    if [name for name, _kind in keyed_by] == ["_rid"]:
        return f"_rid={pairs['_rid'] or ''}"
    columns, fields = [], []
    for name, word in keyed_by:
        kind = parse_type(word) or FieldType("text")
        value = pairs[name]
        try:
            read = None if value is None else _READ.get(kind.name, str)(value)
            if kind.name == "timestamptz" and read is not None and read.tzinfo is None:
                read = read.replace(tzinfo=dt.UTC)
            columns.append(pa.array([read], kind.arrow))
        except (ValueError, ArithmeticError, KeyError, pa.ArrowInvalid) as error:
            raise _bad(f"{name}={value}", f"the column {name} is of type {kind}") from error
        fields.append(arrow_field(name, kind))
    table = pa.table(columns, schema=pa.schema(fields))
    return str(key_texts(table, [name for name, _kind in keyed_by])[0])


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str).strip('"')


def _bad(text: str, why: str) -> ConfigError:
    return ConfigError(
        "prove.bad_key",
        f"the key {text!r} cannot be read: {why}",
        next_step="write column=value,… with the columns of the delivery's key (a backslash before a comma, an equals "
        'sign or a backslash within a value), or a JSON object: {"order": "A,17"}',
    )
