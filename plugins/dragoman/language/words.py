"""The small notations of the language: durations, rates, identifiers, paths, and the nearest spelling."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = [
    "BROKEN",
    "DURATION",
    "IDENTIFIER",
    "INTEGRATION_ID",
    "bad_path",
    "duration",
    "is_identifier",
    "nearest",
    "shown",
]

BROKEN = "_"
"""Stands in for a required text that was wrong and has been told; checks pass over it."""

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
INTEGRATION_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}", re.ASCII)
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?")

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, None: 1.0}
_SHOWN = 60


def duration(value: object) -> float | None:
    """Seconds of ``90``, ``"90s"``, ``"15m"``, ``"2h"``, ``"1d"``; None where it is no duration."""
    if isinstance(value, bool) or value is None:
        return None
    match = DURATION.fullmatch(str(value).strip())
    return float(match[1]) * _SECONDS[match[2]] if match else None


def is_identifier(text: str, *, dotted: bool = True) -> bool:
    """Whether ``text`` is a SQL identifier of ASCII letters, digits and underscores, with dots between parts."""
    parts = text.split(".") if dotted else [text]
    return all(IDENTIFIER.fullmatch(part) for part in parts)


def bad_path(text: str) -> str:
    """Why a path is refused, or empty: absolute, a URL, upwards, or with a NUL or backslash."""
    if not text.strip():
        return "an empty path"
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]", text):
        return f"the absolute path {shown(text)}"
    if "://" in text:
        return f"the URL {shown(text)}"
    if ".." in re.split(r"[/\\]", text):
        return f"the path {shown(text)}, which leads out of its folder"
    if "\x00" in text or "\n" in text or "\\" in text:
        return f"the path {shown(text)} with a backslash or a control character"
    return ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known spelling that is nearest to what was written, or empty."""
    choices = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), choices, n=1, cutoff=0.6)
    return choices[found[0]] if found else ""


def shown(value: object) -> str:
    """A value as messages quote it: short, and on one line."""
    text = "true" if value is True else "false" if value is False else "nothing" if value is None else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
