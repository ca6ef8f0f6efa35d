"""Exact casts between typed values: what an expression gives, into the type that its field declares.

A pair of types that could only be joined by guessing or by silent rounding is a mistake of the map, found when it is
compiled; a value that does not fit is NULL here, and then a reject.
"""

from __future__ import annotations

import re

from dragoman.core.fieldtype import FieldType
from dragoman.translation.casts import Words, cast_words, duck_type, within_years, zoned

__all__ = ["Unfit", "cast_typed", "natural"]

_INTEGERS = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_FLOATS = {"FLOAT", "DOUBLE"}
_STAMPS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_ZONED = "TIMESTAMP WITH TIME ZONE"
_NULL = '"NULL"'
_SAME = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIME": "time",
    _ZONED: "timestamptz",
    "BLOB": "binary",
    "JSON": "json",
}


class Unfit(Exception):  # noqa: N818 - it never leaves the compiler, which names the field and its place
    """``code`` and the sentence's end, and what to write instead."""

    def __init__(self, code: str, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.code, self.reason, self.advice = code, reason, advice


def natural(duck: str) -> FieldType:
    """The language's type of what DuckDB gives, where the field declares none."""
    if duck in _INTEGERS:
        return FieldType("integer")
    if match := _DECIMAL.fullmatch(duck):
        return FieldType("decimal", int(match[1]), int(match[2]))
    if duck in _FLOATS:
        return FieldType("double")
    if duck in _STAMPS:
        return FieldType("timestamp")
    if _nested(duck):
        return FieldType("json")
    return FieldType(_SAME.get(duck, "text"))


def _nested(duck: str) -> bool:
    return duck.endswith("]") or duck.startswith(("STRUCT", "MAP", "UNION"))


def cast_typed(column: str, duck: str, kind: FieldType, how: Words, *, rounded: bool = False) -> str:
    """SQL over a column of a DuckDB type: the exact value, or NULL. ``rounded``: its outermost function rounds.

    Raises ``Unfit`` where the two types do not meet.
    """
    target = duck_type(kind)
    if duck == _NULL:
        return f"CAST(NULL AS {target})"
    if kind.name == "json":
        return _to_json(column, duck)
    if duck == "VARCHAR" or duck.startswith("ENUM"):
        return (
            cast_words(column, kind, how) if duck == "VARCHAR" else cast_words(f"CAST({column} AS VARCHAR)", kind, how)
        )
    if kind.name == "text":
        return _to_text(column, duck, kind)
    if natural(duck).name == kind.name and kind.name not in {"decimal", "integer", "timestamp", "timestamptz"}:
        return f"CAST({column} AS {target})"
    match kind.name:
        case "integer" | "decimal" | "double":
            return _to_number(column, duck, kind, rounded=rounded)
        case "boolean" if duck in _INTEGERS:
            return f"CASE {column} WHEN 1 THEN TRUE WHEN 0 THEN FALSE END"
        case "date" if duck in _STAMPS:
            return f"CASE WHEN CAST({column} AS DATE) = {column} THEN CAST({column} AS DATE) END"
        case "timestamp" if duck == "DATE" or duck in _STAMPS:
            value = f"CAST({column} AS TIMESTAMP)"
            exact = f" AND CAST({value} AS TIMESTAMP_NS) = {column}" if duck == "TIMESTAMP_NS" else ""
            return f"CASE WHEN {within_years(value, 'TIMESTAMP')} IS NOT NULL{exact} THEN {value} END"
        case "timestamptz" if duck == _ZONED:
            return within_years(column)
        case "timestamptz" if (duck == "DATE" or duck in _STAMPS) and how.timezone:
            return zoned(f"CAST({column} AS TIMESTAMP)", how.timezone)
    raise _unfit(duck, kind)


def _unfit(duck: str, kind: FieldType) -> Unfit:
    advice = f"write an expression that gives a {kind}"
    if kind.name == "timestamptz":
        advice = "name the source's timezone: (timezone: Europe/Paris), or write timezone('Europe/Paris', …)"
    elif duck == _ZONED:
        advice = "write timezone('UTC', …) to say whose clock is meant"
    elif duck == "JSON":
        advice = "name the value by its path (customer.amount), so that it is cast from its own words"
    return Unfit("translation.type", f"gives {_said(duck)}, which does not become {kind} without guessing", advice)


def _said(duck: str) -> str:
    return f"{natural(duck)} (DuckDB's {duck})"


def _to_number(column: str, duck: str, kind: FieldType, *, rounded: bool) -> str:
    target = duck_type(kind)
    value = f"TRY_CAST({column} AS {target})"
    match = _DECIMAL.fullmatch(duck)
    if duck in _INTEGERS:
        if kind.name == "double":
            return f"CASE WHEN TRY_CAST({value} AS HUGEINT) = {column} THEN {value} END"
        return value
    if match:
        if kind.name == "double" or (kind.name == "decimal" and kind.scale >= int(match[2])):
            return value
        return f"CASE WHEN {value} = {column} THEN {value} END"
    if duck in _FLOATS:
        if kind.name == "double":
            return value
        if kind.name == "decimal" and not rounded:
            raise Unfit(
                "translation.inexact",
                f"gives a double, which has no exact {kind}",
                f"say how it is rounded: round(…, {kind.scale}); or declare the source's column a decimal (types:)",
            )
        back = f"CAST({value} AS {duck})"
        bound = f" AND abs({column}) <= 9007199254740992" if kind.name == "integer" else ""
        return f"CASE WHEN isfinite({column}) AND {back} = {column}{bound} THEN {value} END"
    raise _unfit(duck, kind)


def _to_text(column: str, duck: str, kind: FieldType) -> str:
    if _nested(duck) or duck in {"BLOB", "JSON"}:
        advice = (
            "declare the type json, or take a text out of it" if duck != "BLOB" else "write to_base64(…) or decode(…)"
        )
        raise Unfit("translation.type", f"gives {_said(duck)}, which is no {kind}", advice)
    return f"CAST({column} AS VARCHAR)"


def _to_json(column: str, duck: str) -> str:
    if duck == "JSON":
        return f"CAST({column} AS VARCHAR)"
    if duck == "VARCHAR":
        return cast_words(column, FieldType("json"))
    if duck == "BLOB":
        raise Unfit("translation.type", "gives binary, which JSON does not have", "write to_base64(…)")
    return f"CAST(to_json({column}) AS VARCHAR)"
