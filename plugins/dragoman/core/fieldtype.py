"""The types of the language and how they stand in Arrow.

``text, integer (64 bit), decimal(p,s), double, boolean, date, time, timestamp, timestamptz, json, binary``.

A column of a **staged** batch is in one of three states, told by its Arrow field:

* a string in the source's own words (``dragoman:words`` absent or ``text``): CSV fields, COPY text;
* a string that holds one raw JSON token a value (``dragoman:words`` = ``json``): ``12.50``, ``"x"``, ``{"a": 1}``;
  JSON ``null`` and an absent key are Arrow null;
* a native Arrow type, from formats that have types of their own (Parquet).

``dragoman:type`` beside the words is the type that the source declares (a catalogue's column type, ``types:`` in the
YAML); the translation casts by it, exactly. An **output** column is native; ``json`` is a string with
``dragoman:type`` = ``json``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

import dragoman.core.arrow_alone  # noqa: F401 - settles how Arrow starts

__all__ = ["FieldType", "arrow_field", "declared_type", "parse_type", "type_of", "words_field", "words_of"]

WORDS = b"dragoman:words"
TYPE = b"dragoman:type"
NAMES = (
    "text",
    "integer",
    "decimal",
    "double",
    "boolean",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "json",
    "binary",
)
_MAX_PRECISION = 38
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")


@dataclass(frozen=True)
class FieldType:
    """One type of the language; ``precision`` and ``scale`` only for decimals (up to 38 digits)."""

    name: str
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        """As it is written in YAML."""
        return f"decimal({self.precision},{self.scale})" if self.name == "decimal" else self.name

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of an output column."""
        if self.name == "decimal":
            return pa.decimal128(self.precision, self.scale)
        return _ARROW[self.name]


_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "json": pa.string(),
    "binary": pa.binary(),
}


def parse_type(text: str) -> FieldType | None:
    """The type that a YAML value names, or None where it names none."""
    word = text.strip().lower()
    if word in _ARROW:
        return FieldType(word)
    match = _DECIMAL.fullmatch(word)
    if match is None:
        return None
    precision, scale = int(match[1]), int(match[2])
    if not 1 <= precision <= _MAX_PRECISION or scale > precision:
        return None
    return FieldType("decimal", precision, scale)


def arrow_field(name: str, kind: FieldType) -> pa.Field:
    """An output column's Arrow field."""
    metadata = {TYPE: b"json"} if kind.name == "json" else None
    return pa.field(name, kind.arrow, metadata=metadata)


def words_field(name: str, *, json: bool = False, declared: FieldType | None = None) -> pa.Field:
    """A staged column of text in the source's own words, or of raw JSON tokens."""
    metadata: dict[bytes, bytes] = {}
    if json:
        metadata[WORDS] = b"json"
    if declared is not None:
        metadata[TYPE] = str(declared).encode()
    return pa.field(name, pa.string(), metadata=metadata or None)


def words_of(field: pa.Field) -> str:
    """``text``, ``json``, or ``""`` for a native column."""
    if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)):
        return ""
    return str((field.metadata or {}).get(WORDS, b"text"), "utf-8")


def declared_type(field: pa.Field) -> FieldType | None:
    """The type that stands beside the words, if any."""
    text = (field.metadata or {}).get(TYPE)
    return parse_type(text.decode()) if text else None


def type_of(field: pa.Field) -> FieldType:
    """The language's type of an output column (or of a native staged one)."""
    declared = declared_type(field)
    if declared is not None:
        return declared
    kind = field.type
    if pa.types.is_integer(kind):
        return FieldType("integer")
    if pa.types.is_decimal(kind):
        return FieldType("decimal", kind.precision, kind.scale)
    if pa.types.is_floating(kind):
        return FieldType("double")
    if pa.types.is_boolean(kind):
        return FieldType("boolean")
    if pa.types.is_date(kind):
        return FieldType("date")
    if pa.types.is_time(kind):
        return FieldType("time")
    if pa.types.is_timestamp(kind):
        return FieldType("timestamptz" if kind.tz else "timestamp")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return FieldType("binary")
    if pa.types.is_nested(kind):
        return FieldType("json")
    return FieldType("text")
