"""What no value of an integration may hold: templates and secrets; and keys that a later version will know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dragoman.language.reader import Reading
from dragoman.language.words import BROKEN

__all__ = ["LATER_EVENTS", "LATER_FORMATS", "scan", "take_later"]

LATER_FORMATS = frozenset(
    {"edifact", "xml", "excel", "xlsx", "parquet", "word", "docx", "fixed", "avro", "idoc", "x12"}
)
LATER_EVENTS = frozenset({"overdue"})

_LATER: dict[str, tuple[str, ...]] = {
    "document": ("template", "environments", "privacy", "offer"),
    "source": ("capture", "acknowledge"),
    "translation": ("group", "xslt"),
    "delivery": ("schema_changes", "acknowledge"),
}
_NOT_SECRET = frozenset({"types", "fields", "columns", "lookups", "checks"})
_SECRET = re.compile(
    r"(^|[_\-])(password|passwd|pwd|passphrase|secret|token|api[_\-]?key|apikey|access[_\-]?key|private[_\-]?key|"
    r"credentials?|authorization|cookie)$",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/\s?#]*@")
_SECRET_VALUE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|^(?:Bearer|Basic) [A-Za-z0-9+/=._\-]{8,}$")
_INSTEAD = "the id of an Airflow connection under connection:, which holds the secret"


def scan(reading: Reading) -> None:
    """Tell templates anywhere, and secrets under sources and deliveries. Messages never repeat a secret."""
    text = reading.text
    if "{{" in text or "{%" in text:
        _templates(reading, reading.value, ())
    for name in ("source", "sources", "deliver", "deliveries", "streams"):
        part = reading.value.get(name)
        if isinstance(part, dict | list):
            _secrets(reading, part, (name,))
    if "@" in text and "://" in text:
        _addresses(reading, reading.value, ())


def _templates(reading: Reading, value: Any, path: tuple[str | int, ...]) -> None:
    for place, part in _parts(value, path):
        if isinstance(part, str) and ("{{" in part or "{%" in part):
            reading.add(place, "value.template", "a template {{ … }}", "a plain value: nothing here is a template")


def _secrets(reading: Reading, value: Any, path: tuple[str | int, ...]) -> None:
    for place, part in _parts(value, path):
        if not isinstance(part, str | int) or isinstance(part, bool) or _NOT_SECRET & set(place):
            continue
        name = place[-1] if isinstance(place[-1], str) else ""
        if _SECRET.search(name) or (isinstance(part, str) and _SECRET_VALUE.search(part)):
            reading.add(
                place, "secret.in_clear", f"a secret in clear ({name or 'in a list'})", _INSTEAD, key=bool(name)
            )
            _drop(reading.value, place, None)


def _addresses(reading: Reading, value: Any, path: tuple[str | int, ...]) -> None:
    for place, part in _parts(value, path):
        if isinstance(part, str) and _USERINFO.search(part):
            reading.add(place, "secret.in_clear", "an address with a user or a password in it", _INSTEAD)
            _drop(reading.value, place, BROKEN)


def _parts(value: Any, path: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], Any]]:
    """Every plain value with its path."""
    if isinstance(value, dict):
        return [found for key, part in value.items() for found in _parts(part, (*path, key))]
    if isinstance(value, list):
        return [found for at, part in enumerate(value) for found in _parts(part, (*path, at))]
    return [(path, value)]


def _drop(value: Any, path: tuple[str | int, ...], stand_in: str | None) -> None:
    """Take out what was told (or put a stand-in there), so that it is not told again in another way."""
    for part in path[:-1]:
        value = value[part]
    if stand_in is not None:
        value[path[-1]] = stand_in
    elif isinstance(value, dict):
        value.pop(path[-1], None)


def take_later(reading: Reading) -> None:
    """Tell the keys that are not available yet, and take them out."""
    value = reading.value
    _take(reading, value, (), "document")
    _take_events(reading, value.get("alerts"))
    for short, plural, level in (
        ("source", "sources", "source"),
        ("translate", "translations", "translation"),
        ("deliver", "deliveries", "delivery"),
    ):
        if short in value:
            _take(reading, value[short], (short,), level)
        named = value.get(plural)
        if isinstance(named, Mapping):
            for name, body in named.items():
                _take(reading, body, (plural, name), level)


def _take(reading: Reading, body: Any, path: tuple[str | int, ...], level: str) -> None:
    if not isinstance(body, dict):
        return
    for key in _LATER[level]:
        if key in body:
            reading.add((*path, key), "language.not_yet", f"{key} is not available yet", "a file without it", key=True)
            del body[key]


def _take_events(reading: Reading, alerts: Any) -> None:
    """Tell the events that are not available yet; another takes the place of each, so that it is told once."""
    for at, alert in enumerate(alerts if isinstance(alerts, list) else ()):
        if not isinstance(alert, dict):
            continue
        events = alert.get("on")
        if isinstance(events, str) and events in LATER_EVENTS:
            _tell_event(reading, ("alerts", at, "on"), events)
            alert["on"] = "failed"
        if isinstance(events, list):
            for number, event in enumerate(events):
                if isinstance(event, str) and event in LATER_EVENTS:
                    _tell_event(reading, ("alerts", at, "on", number), event)
                    events[number] = "failed"


def _tell_event(reading: Reading, place: tuple[str | int, ...], event: str) -> None:
    reading.add(place, "language.not_yet", f"the event {event} is not available yet", "a list without it")
