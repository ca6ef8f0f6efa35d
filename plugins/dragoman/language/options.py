"""Checks options against what a manifest says of them, and fills in defaults."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dragoman.core.manifest import Option
from dragoman.language.words import bad_path, duration, is_identifier, nearest, shown

__all__ = ["Complain", "check_options", "check_value"]

Complain = Callable[..., None]
"""``complain(path, code, found, expected="", nearest="", key=False)``, as ``Reading.add``."""


def check_options(
    declared: Mapping[str, Option],
    given: Mapping[str, Any],
    path: tuple[str | int, ...],
    complain: Complain,
    what: str,
    *,
    beside: Iterable[str] = (),
) -> dict[str, Any]:
    """The options as the connector gets them: each one's type is right, defaults are there, unknown keys are told.

    ``what`` names the holder in messages (``source of the connector 'files'``); ``beside`` are the language's own
    keys that may stand there too.
    """
    done: dict[str, Any] = {}
    known = [*sorted(declared), *beside]
    for name, value in given.items():
        option = declared.get(name)
        if option is None:
            complain(
                (*path, name),
                "option.unknown",
                f"unknown option {name!r} of {what}",
                "one of " + ", ".join(known) if known else "no option",
                nearest(name, known),
                key=True,
            )
        elif value is None:
            complain((*path, name), "option.empty", f"{name} without a value", _wanted(option))
        else:
            done[name] = check_value(option, value, (*path, name), complain)
    for name, option in declared.items():
        if name in given:
            continue
        if option.required:
            if any(nearest(other, known) == name for other in given if other not in declared):
                continue
            complain(path, "option.missing", f"{name} is missing in {what}", _example(name, option), key=True)
        elif option.default is not None:
            done[name] = check_value(option, option.default, (*path, name), complain)
    return done


def check_value(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    """One value, normalised (durations to seconds); what is wrong is told and the value given back as it is."""
    return _CHECKS[option.type](option, value, path, complain)


def _refuse(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    wanted = _wanted(option)
    if option.type in {"text", "identifier", "path", "expression"} and isinstance(value, int | float):
        wanted += " (quote it)"
    complain(path, "option.type", f"{_last(path)} is {shown(value)}", wanted)
    return value


def _text(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    return value if isinstance(value, str) else _refuse(option, value, path, complain)


def _number(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    kinds: Any = (int,) if option.type == "integer" else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(float(value)):
        return _refuse(option, value, path, complain)
    low, high = option.minimum, option.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        return _refuse(option, value, path, complain)
    return value


def _boolean(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    return value if isinstance(value, bool) else _refuse(option, value, path, complain)


def _duration(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    seconds = duration(value)
    if seconds is None or not (option.minimum or 0.0) <= seconds <= (option.maximum or math.inf):
        return _refuse(option, value, path, complain)
    return seconds


def _identifier(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    if not isinstance(value, str):
        return _refuse(option, value, path, complain)
    if not is_identifier(value):
        complain(
            path,
            "option.identifier",
            f"{_last(path)} {shown(value)} is no safe identifier",
            "letters, digits and underscores (A-Z, a-z, 0-9, _), parts parted by dots",
        )
    return value


def _path(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    if not isinstance(value, str):
        return _refuse(option, value, path, complain)
    reason = bad_path(value)
    if reason:
        complain(path, "option.path", reason, "a path below the connection's root, without '..'")
    return value


def _enum(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    if isinstance(value, str) and value in option.values:
        return value
    if not isinstance(value, str):
        return _refuse(option, value, path, complain)
    complain(
        path,
        "option.value",
        f"unknown value {shown(value)} for {_last(path)}",
        "one of " + ", ".join(option.values),
        nearest(value, option.values),
    )
    return value


def _list(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    if not isinstance(value, list):
        return _refuse(option, value, path, complain)
    item = Option(type=option.of, values=option.values, fields=option.fields)
    return [check_value(item, each, (*path, at), complain) for at, each in enumerate(value)]


def _map(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    if not isinstance(value, dict):
        return _refuse(option, value, path, complain)
    if not option.of:
        return value
    item = Option(type=option.of, values=option.values, fields=option.fields)
    return {name: check_value(item, each, (*path, name), complain) for name, each in value.items()}


def _object(option: Option, value: Any, path: tuple[str | int, ...], complain: Complain) -> Any:
    if option.short and not isinstance(value, dict):
        return {option.short: check_value(option.fields[option.short], value, path, complain)}
    if not isinstance(value, dict):
        return _refuse(option, value, path, complain)
    return check_options(option.fields, value, path, complain, f"{_last(path)}")


_CHECKS: dict[str, Callable[[Option, Any, tuple[str | int, ...], Complain], Any]] = {
    "text": _text,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
    "duration": _duration,
    "identifier": _identifier,
    "path": _path,
    "enum": _enum,
    "list": _list,
    "map": _map,
    "expression": _text,
    "object": _object,
}

_WANTED = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "duration": "a duration such as 30s, 15m, 2h or 1d",
    "identifier": "an identifier such as public.orders",
    "path": "a path below the connection's root",
    "map": "a map of names to values",
    "object": "a map",
    "expression": "an expression",
}


def _wanted(option: Option) -> str:
    if option.type == "enum":
        return "one of " + ", ".join(option.values)
    if option.type == "list":
        return f"a list of {option.of}s"
    if option.type == "object" and option.fields:
        return "a map with " + ", ".join(option.fields)
    bounds, unit = "", " s" if option.type == "duration" else ""
    if option.minimum is not None:
        bounds += f" from {option.minimum:g}{unit}"
    if option.maximum is not None:
        bounds += f" up to {option.maximum:g}{unit}"
    return _WANTED[option.type] + bounds


def _example(name: str, option: Option) -> str:
    return f"{name}: {option.example}" if option.example is not None else f"{name}: {_wanted(option)}"


def _last(path: tuple[str | int, ...]) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "value")
