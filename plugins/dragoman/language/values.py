"""The value types of the document: each says for itself what is wrong, in one sentence."""

from __future__ import annotations

import re
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from dragoman.core.fieldtype import NAMES, parse_type
from dragoman.language.cron import cron_fault
from dragoman.language.words import INTEGRATION_ID, duration, is_identifier, nearest, shown

__all__ = [
    "ColumnName",
    "ConnectionId",
    "Cron",
    "Duration",
    "Expression",
    "Identifier",
    "IntegrationId",
    "Memory",
    "NodeName",
    "Rate",
    "Text",
    "TimeZone",
    "TypeText",
    "refuse",
]

_CONNECTION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}", re.ASCII)
_MEMORY = re.compile(r"[1-9][0-9]*\s?(KB|MB|GB|KiB|MiB|GiB)")
_COLUMN = re.compile(r'[^\x00-\x1f\x7f";`\\]{1,128}')
_HIDDEN = frozenset({"_rid", "_position", "_record", "_line", "_only"})


def refuse(code: str, found: str, expected: str, near: str = "") -> NoReturn:
    """Refuse the value that is being validated."""
    raise PydanticCustomError(
        "dragoman", "{found}", {"code": code, "found": found, "expected": expected, "nearest": near}
    )


def _text(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        refuse("key.not_text", f"{shown(value)} where text is due", "text (quote it)")
    if not isinstance(value, str):
        refuse("key.type", f"{_kind(value)} where text is due", "text")
    return value


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "a map" if isinstance(value, dict) else "nothing"


def _integration_id(value: Any) -> Any:
    if not INTEGRATION_ID.fullmatch(_text(value)):
        expected = "ASCII letters, digits, '_', '.' and '-', a letter or '_' first, at most 200"
        refuse("integration.id", f"the id {value!a}", expected)
    return value


def _node_name(value: Any) -> Any:
    if not is_identifier(_text(value), dotted=False):
        refuse("name.identifier", f"the name {shown(value)}", "ASCII letters, digits and '_'")
    return value


def _identifier(value: Any) -> Any:
    if not is_identifier(_text(value)):
        refuse(
            "name.identifier", f"{shown(value)} is no safe identifier", "letters, digits and underscores, dots between"
        )
    return value


def _column_name(value: Any) -> Any:
    if value.lower() in _HIDDEN:
        refuse("name.hidden", f"the name {shown(value)}", "another name: this one is kept for the platform")
    if not _COLUMN.fullmatch(value) or value != value.strip():
        refuse("name.column", f"the name {shown(value)}", "a name without quotes, semicolons or control characters")
    return value


def _connection(value: Any) -> Any:
    text = _text(value)
    if "://" in text or "@" in text:
        refuse("secret.in_clear", "an address where a connection's id is due", "the id of an Airflow connection")
    if not _CONNECTION.fullmatch(text):
        refuse("connection.id", f"the connection {shown(value)}", "the id of an Airflow connection")
    return value


def _expression(value: Any) -> Any:
    if not _text(value).strip():
        refuse("expression.empty", "an empty expression", "an expression such as upper(name)")
    return value


def _type(value: Any) -> Any:
    if re.fullmatch(r"decimal\(\s*\d+\s*", _text(value), re.IGNORECASE):
        refuse("type.cut", f"the type {value}, cut off at its comma", 'quotes around it: "decimal(12,2)"')
    if parse_type(value) is None:
        near = nearest(value.split("(")[0], NAMES)
        given = "decimal(p,s) with s <= p <= 38" if near == "decimal" else "one of " + ", ".join(NAMES)
        refuse(
            "type.unknown",
            f"unknown type {shown(value)}",
            given.replace("decimal,", "decimal(p,s),"),
            "" if near == "decimal" else near,
        )
    return value.strip().lower()


def _duration(value: Any) -> float:
    seconds = duration(value)
    if seconds is None:
        refuse("duration", f"the duration {shown(value)}", "seconds, or 30s, 15m, 2h, 1d")
    return seconds


def _timezone(value: Any) -> Any:
    from zoneinfo import ZoneInfo, available_timezones

    name = _text(value)
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        expected = "an IANA name such as Europe/Paris"
        refuse("timezone.unknown", f"unknown time zone {shown(value)}", expected, nearest(value, available_timezones()))
    return value


def _cron(value: Any) -> Any:
    fault = cron_fault(_text(value))
    if fault is not None:
        refuse(*fault)
    return value.strip()


def _rate(value: Any) -> Any:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%", value.strip())):
        rate = float(match[1]) / 100
        if rate <= 1:
            return rate
    refuse("policy.rate", f"the rate {shown(value)}", "a share such as 2%")


def _memory(value: Any) -> Any:
    if not _MEMORY.fullmatch(_text(value).strip()):
        refuse("policy.memory", f"the memory {shown(value)}", "an amount such as 384MB or 1GB")
    return value.strip()


_DURATION_SCHEMA = {"type": ["string", "number"], "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d|w)?$"}

Text = Annotated[str, BeforeValidator(_text)]
IntegrationId = Annotated[
    str,
    BeforeValidator(_integration_id),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,199}$"}),
]
NodeName = Annotated[str, BeforeValidator(_node_name)]
Identifier = Annotated[
    str, BeforeValidator(_identifier), WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"})
]
ColumnName = Annotated[str, BeforeValidator(_column_name)]
ConnectionId = Annotated[str, BeforeValidator(_connection)]
Expression = Annotated[str, BeforeValidator(_expression)]
TypeText = Annotated[
    str,
    BeforeValidator(_type),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [name for name in NAMES if name != "decimal"]},
                {"type": "string", "pattern": r"^decimal\(\s*\d{1,2}\s*,\s*\d{1,2}\s*\)$"},
            ]
        }
    ),
]
Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
TimeZone = Annotated[str, BeforeValidator(_timezone)]
Cron = Annotated[str, BeforeValidator(_cron)]
Rate = Annotated[float, BeforeValidator(_rate), WithJsonSchema({"type": "string", "pattern": r"^\d{1,3}(\.\d+)?\s*%$"})]
Memory = Annotated[str, BeforeValidator(_memory)]
