"""A field's default, as the SQL literal of its type."""

from __future__ import annotations

import json

from dragoman.core.errors import ConfigError
from dragoman.core.fieldtype import FieldType
from dragoman.core.flow import FieldSpec
from dragoman.translation.casts import Words, cast_words, duck_type, quote
from dragoman.translation.sandbox import Sandbox

__all__ = ["default_sql"]


def default_sql(sandbox: Sandbox, spec: FieldSpec, kind: FieldType, how: Words) -> str:
    """The default as SQL; ``ConfigError`` ``field.default`` where it is no value of the field's type."""
    value = spec.default
    words = value if isinstance(value, str) and kind.name != "json" else json.dumps(value, ensure_ascii=False)
    if kind.name == "json" and isinstance(value, str) and _is_json(value):
        words = value
    inner = cast_words("words", kind, Words(timezone=how.timezone))
    found = sandbox.rows(f"SELECT CAST({inner} AS VARCHAR) FROM (SELECT {quote(str(words))} AS words)")[0][0]
    if found is None:
        raise ConfigError(
            "field.default",
            f"field {spec.name}: the default {value!r} is no {kind}",
            next_step="write a value of the field's type",
        )
    return f"CAST({quote(found)} AS {duck_type(kind)})"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
