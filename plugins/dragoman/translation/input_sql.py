"""SQL for one input: ``w_N`` is its words (or native value), ``t_N`` what an expression sees of it."""

from __future__ import annotations

from dragoman.core.fieldtype import FieldType
from dragoman.translation.casts import Words, cast_words
from dragoman.translation.inputs import Input
from dragoman.translation.projection import MARK

__all__ = ["can_fail", "failed", "input_type", "reject_code", "scalar_words", "seen_as", "typed"]

_KIND_TYPE = {"integer": "integer", "double": "double", "boolean": "boolean", "json": "json"}


def scalar_words(word: str) -> str:
    """A JSON token as words: a string without its quotes, all else as it stands; marked tokens are NULL."""
    return (
        f"CASE WHEN starts_with({word}, '\"') THEN CASE WHEN contains({word}, chr(92)) "
        f"THEN CASE WHEN json_valid({word}) THEN json_extract_string({word}, '$') END "
        f"ELSE substr({word}, 2, length({word}) - 2) END WHEN starts_with({word}, '{MARK}') THEN NULL ELSE {word} END"
    )


def seen_as(one: Input, kind: str) -> str:
    """What is seen of an observed kind: of a mixture JSON where it is handed on whole, else what most values are."""
    whole, _, most = kind.partition(":")
    return whole if one.whole or not most else most


def input_type(one: Input, kind: str) -> FieldType | None:
    """Its type: declared, or of the kind that was observed; None for a native value, whose type DuckDB knows."""
    if one.declared is not None and one.words:
        return one.declared
    if one.words == "json":
        return FieldType(_KIND_TYPE.get(seen_as(one, kind), "text"))
    return FieldType("text") if one.words else None


def typed(one: Input, kind: str, timezone: str) -> str:
    """SQL over ``w_N`` for what expressions see; NULL where the value does not fit."""
    word = f"w_{one.number}"
    if not one.words:
        return word
    how = Words(timezone=timezone)
    if one.declared is not None:
        if one.declared.name == "json":
            valid = cast_words(word, one.declared) if one.words == "text" else _unmarked(word)
            return f"CAST({valid} AS JSON)"
        return cast_words(f"s_{one.number}" if one.words == "json" else word, one.declared, how)
    if one.words == "text":
        return word
    match seen_as(one, kind):
        case "integer":
            return cast_words(word, FieldType("integer"))
        case "double":
            number = f"TRY_CAST({word} AS DOUBLE)"
            return f"CASE WHEN regexp_full_match({word}, '-?[0-9].*') AND isfinite({number}) THEN {number} END"
        case "boolean":
            return f"CASE {word} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"
        case "json":
            return f"CAST({_unmarked(word)} AS JSON)"
        case _:
            numbers = f" OR regexp_matches({word}, '^[-0-9]')" if kind == "json:text" else ""
            return f"CASE WHEN starts_with({word}, '\"'){numbers} THEN s_{one.number} END"


def _unmarked(word: str) -> str:
    return f"CASE WHEN NOT starts_with({word}, '{MARK}') THEN {word} END"


def can_fail(one: Input) -> bool:
    """Whether a value of it can be one that does not fit."""
    return one.words == "json" or (one.words == "text" and one.declared is not None and one.declared.name != "text")


def failed(one: Input) -> str:
    """SQL: this record's value of the input does not fit."""
    return f"(w_{one.number} IS NOT NULL AND t_{one.number} IS NULL)"


def reject_code(one: Input) -> str:
    """``type.decimal`` for a declared type, ``type.changed`` where the value left its observed kind."""
    return f"type.{one.declared.name}" if one.declared is not None else "type.changed"
