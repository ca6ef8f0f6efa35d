"""Exact casts: the SQL that turns a source's own words into a type of the language, or into NULL where they do not fit.

DuckDB's casts are lenient, even under TRY_CAST ('1.7' becomes the integer 2, '0x1A' 26, '26-1-2' a date in the year
26). Each cast here has a fast lane, which accepts a value only if it prints back as the same words, and a slow lane
for the rest, which trims blanks and demands a pattern before it casts. What neither lane accepts is NULL, and a value
that was not NULL before is then a reject. The rules per type stand in ``docs/types.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.core.fieldtype import FieldType

__all__ = ["Words", "cast_words", "duck_type", "quote", "within_years", "zoned"]

_DUCK = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "json": "VARCHAR",
    "binary": "BLOB",
}
_BLANKS = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"
_DATE = r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(?:0[1-9]|1[0-2])-[0-3][0-9]"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6}0*)?)?"
_OFFSET = r" ?(?:Z|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)"
_STAMP = f"{_DATE}[T ]{_TIME}"
_UTC = r"(?:Z|\+00(?::?00)?)"
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NOT_ZERO = r"^[^1-9eE]*[1-9]"
_JSON_TEXTS = r'"(?:\\.|[^"\\])*"'
_JSON_BARE = r"[-+0-9eE.\s\[\]{},:truefalsn]*"
_JSON_LAX = r"nan|,\s*[\]}]"
_HEX = r"\\x(?:[0-9a-fA-F]{2})*"
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_NOT_NUMBERS = "('NaN', 'Infinity', '-Infinity')"


@dataclass(frozen=True)
class Words:
    """How words are to be read beside their type: see ``FieldSpec`` and the source's ``timezone``."""

    format: str = ""
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    timezone: str = ""


def quote(text: str) -> str:
    """A SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def duck_type(kind: FieldType) -> str:
    """The DuckDB type that holds a type of the language; ``json`` is kept as the text it is."""
    return f"DECIMAL({kind.precision},{kind.scale})" if kind.name == "decimal" else _DUCK[kind.name]


def cast_words(column: str, kind: FieldType, how: Words = Words()) -> str:
    """SQL over a VARCHAR column (a name, no larger expression): the exact value, or NULL."""
    if kind.name == "text":
        return column
    trimmed = f"trim({column}, {_BLANKS})"
    if how.format and kind.name in {"date", "time", "timestamp", "timestamptz"}:
        return _by_pattern(trimmed, kind, how)
    match kind.name:
        case "integer":
            return _lanes(column, "BIGINT", trimmed, "[+-]?[0-9]+")
        case "decimal":
            return _lanes(column, duck_type(kind), trimmed, _decimal_pattern(kind))
        case "double":
            return _double(column, trimmed)
        case "boolean":
            return _boolean(column, trimmed, how)
        case "date":
            return _lanes(column, "DATE", trimmed, _DATE, f" AND length({column}) = 10 AND {column} > '0001'")
        case "time":
            return _lanes(column, "TIME", trimmed, _TIME, f" AND {column} < '24'")
        case "timestamp":
            return _timestamp(column, trimmed)
        case "timestamptz":
            return _timestamptz(column, trimmed, how.timezone)
        case "json":
            return _json(column)
        case _:
            return _binary(trimmed)


def _lanes(column: str, duck: str, trimmed: str, pattern: str, also: str = "") -> str:
    fast = f"TRY_CAST({column} AS {duck})"
    return (
        f"CASE WHEN CAST({fast} AS VARCHAR) = {column}{also} THEN {fast} "
        f"WHEN regexp_full_match({trimmed}, {quote(pattern)}) THEN TRY_CAST({trimmed} AS {duck}) END"
    )


def _decimal_pattern(kind: FieldType) -> str:
    """Surplus digits after the point are allowed if they are zero: they change no value."""
    if not kind.scale:
        return r"[+-]?(?:[0-9]+(?:\.0*)?|\.0+)"
    return rf"[+-]?(?:[0-9]+(?:\.[0-9]{{0,{kind.scale}}}0*)?|\.[0-9]{{1,{kind.scale}}}0*)"


def _double(column: str, trimmed: str) -> str:
    """Out of range is a reject, upwards and downwards; NaN and the infinities only as PostgreSQL spells them.

    DuckDB's own cast to DOUBLE takes the same numbers, and beyond them underscores between digits and ``+-1``.
    """
    fast, value = f"TRY_CAST({column} AS DOUBLE)", f"TRY_CAST({trimmed} AS DOUBLE)"
    vanished = f"{value} = 0 AND regexp_matches({trimmed}, {quote(_NOT_ZERO)})"
    return (
        f"CASE WHEN isfinite({fast}) AND {fast} <> 0 AND NOT contains({column}, '_') AND NOT contains({column}, '+') "
        f"THEN {fast} "
        f"WHEN regexp_full_match({trimmed}, {quote(_NUMBER)}) "
        f"THEN CASE WHEN isfinite({value}) AND NOT ({vanished}) THEN {value} END "
        f"WHEN {trimmed} IN {_NOT_NUMBERS} THEN {value} END"
    )


def _boolean(column: str, trimmed: str, how: Words) -> str:
    """The words as they are listed are looked for first, which spares most values the trimming and lowering."""
    true, false = how.true or ("true", "1"), how.false or ("false", "0")
    word = f"lower({trimmed})"
    return (
        f"CASE WHEN {column} IN ({', '.join(map(quote, true))}) THEN TRUE "
        f"WHEN {column} IN ({', '.join(map(quote, false))}) THEN FALSE "
        f"WHEN {word} IN ({', '.join(quote(one.lower()) for one in true)}) THEN TRUE "
        f"WHEN {word} IN ({', '.join(quote(one.lower()) for one in false)}) THEN FALSE END"
    )


def _timestamp(column: str, trimmed: str) -> str:
    return (
        f"CASE WHEN regexp_full_match({column}, {quote(_STAMP)}) THEN TRY_CAST({column} AS TIMESTAMP) "
        f"WHEN regexp_full_match({trimmed}, {quote(_STAMP)}) THEN TRY_CAST({trimmed} AS TIMESTAMP) END"
    )


def _timestamptz(column: str, trimmed: str, timezone: str) -> str:
    """Most moments stand in UTC, and reading those as TIMESTAMP spares DuckDB its calendar library."""
    tight = f"replace(replace(replace({trimmed}, ' +', '+'), ' -', '-'), ' Z', 'Z')"
    offset = within_years(f"TRY_CAST({tight} AS TIMESTAMPTZ)")
    local = f"TRY_CAST({trimmed} AS TIMESTAMP)"
    without = f" WHEN regexp_full_match({trimmed}, {quote(_STAMP)}) THEN {zoned(local, timezone)}" if timezone else ""
    return (
        f"CASE WHEN regexp_full_match({column}, {quote(_STAMP + _UTC)}) "
        f"THEN make_timestamptz(epoch_us(TRY_CAST({column} AS TIMESTAMP))) "
        f"WHEN regexp_full_match({trimmed}, {quote(_STAMP + _OFFSET)}) THEN {offset}{without} END"
    )


def within_years(value: str, duck: str = "TIMESTAMPTZ") -> str:
    """NULL where a moment leaves the years 1 to 9999, which is as far as everything downstream can carry it."""
    return f"CASE WHEN {value} BETWEEN {duck} '0001-01-01' AND {duck} '9999-12-31 23:59:59.999999' THEN {value} END"


def zoned(local: str, timezone: str) -> str:
    """The moment of a local TIMESTAMP in a named zone; NULL in the gap of a clock change, and where it is ambiguous."""
    zone = quote(timezone)
    moment = f"timezone({zone}, {local})"
    twins = " OR ".join(
        f"timezone({zone}, {moment} {sign} INTERVAL {minutes} MINUTE) = {local}"
        for minutes in (30, 60, 120)
        for sign in "+-"
    )
    return f"CASE WHEN timezone({zone}, {moment}) = {local} AND NOT ({twins}) THEN {within_years(moment)} END"


def _json(column: str) -> str:
    """DuckDB's reader takes NaN, Infinity and a comma before a closing bracket, which are no JSON (RFC 8259)."""
    bare = f"regexp_replace({column}, {quote(_JSON_TEXTS)}, '', 'g')"
    return (
        f"CASE WHEN json_valid({column}) AND regexp_full_match({bare}, {quote(_JSON_BARE)}) "
        f"AND NOT regexp_matches({bare}, {quote(_JSON_LAX)}) THEN {column} END"
    )


def _binary(trimmed: str) -> str:
    r"""PostgreSQL's ``\x`` and hexadecimal digits, or Base64 (RFC 4648, 4) with its padding."""
    return (
        f"CASE WHEN regexp_full_match({trimmed}, {quote(_HEX)}) THEN unhex(substr({trimmed}, 3)) "
        f"WHEN {trimmed} <> '' AND regexp_full_match({trimmed}, {quote(_BASE64)}) "
        f"THEN CASE WHEN to_base64(from_base64({trimmed})) = {trimmed} THEN from_base64({trimmed}) END END"
    )


def _by_pattern(trimmed: str, kind: FieldType, how: Words) -> str:
    """A strptime pattern, strict by printing the value back; an offset cannot be printed back, so there it is not."""
    pattern = quote(how.format)
    parsed = f"try_strptime({trimmed}, {pattern})"
    offset = "%z" in how.format or "%Z" in how.format
    if offset:
        value = within_years(f"CAST({parsed} AS TIMESTAMPTZ)")
        return value if kind.name == "timestamptz" else f"CASE WHEN {value} IS NULL THEN NULL END"
    same = (
        f"lower(strftime({parsed}, {pattern})) = lower({trimmed}) "
        f"AND {parsed} BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'"
    )
    if kind.name == "date":
        return f"CASE WHEN {same} AND date_trunc('day', {parsed}) = {parsed} THEN CAST({parsed} AS DATE) END"
    if kind.name == "time":
        return f"CASE WHEN {same} AND CAST({parsed} AS DATE) = DATE '1900-01-01' THEN CAST({parsed} AS TIME) END"
    if kind.name == "timestamp":
        return f"CASE WHEN {same} THEN {parsed} END"
    if not how.timezone:
        return "CAST(NULL AS TIMESTAMPTZ)"
    return f"CASE WHEN {same} THEN {zoned(parsed, how.timezone)} END"
