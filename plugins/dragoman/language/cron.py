"""Checks cron expressions as Airflow understands them: five fields, or a preset.

Source of the notation: crontab(5), and Airflow's ``CronTriggerTimetable``.
"""

from __future__ import annotations

import re

__all__ = ["cron_fault"]

PRESETS = frozenset({"@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly", "@annually", "@midnight"})
_MONTHS = dict(jan=1, feb=2, mar=3, apr=4, may=5, jun=6, jul=7, aug=8, sep=9, oct=10, nov=11, dec=12)  # noqa: C408
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_LONGEST = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
_SECONDS_FIELDS = (6, 7)


def cron_fault(text: str) -> tuple[str, str, str] | None:
    """``(code, found, expected)`` of what is wrong with a schedule, or None."""
    words = text.split()
    expected = 'five fields: minute hour day month weekday, such as "*/15 * * * *"'
    if len(words) == 1 and words[0].startswith("@"):
        if words[0] in PRESETS:
            return None
        return "schedule.cron", f"the preset {words[0]}", "one of " + ", ".join(sorted(PRESETS))
    if len(words) in _SECONDS_FIELDS:
        return "schedule.seconds", f"a schedule with seconds: {text!r}", expected
    if len(words) != len(_FIELDS):
        return "schedule.cron", f"a schedule of {len(words)} fields: {text!r}", expected
    values: list[set[int]] = []
    for word, (name, low, high, names) in zip(words, _FIELDS, strict=True):
        allowed = _values(word, low, high, names)
        if allowed is None:
            return "schedule.cron", f"{word!r} as {name}", f"{low} to {high}, *, lists, ranges or */steps"
        values.append(allowed)
    days, months = values[2], values[3]
    if words[4] == "*" and days and min(days) > max(_LONGEST[month] for month in months):
        return "schedule.never", f"a day that never comes: {text!r}", "a day that the months have"
    return None


def _values(word: str, low: int, high: int, names: dict[str, int]) -> set[int] | None:
    """The numbers that one field allows; empty for ``L`` and ``n#k``, whose days depend on the month; None if wrong."""
    if high == 31 and word.lower() == "l":
        return set()
    if names is _DAYS and re.fullmatch(r"[0-7]#[1-5]|l[0-7]", word.lower()):
        return set()
    found: set[int] = set()
    for part in word.split(","):
        body, slash, step_text = part.partition("/")
        if slash and (not step_text.isdecimal() or int(step_text) == 0):
            return None
        step = int(step_text) if slash else 1
        first, dash, last = body.partition("-")
        if body == "*":
            start, end = low, high
        else:
            numbers = [_number(item, names) for item in ([first, last] if dash else [first])]
            if any(number is None or not low <= number <= high for number in numbers):
                return None
            start = numbers[0] or 0
            end = (numbers[1] or 0) if dash else (high if slash else start)
            if start > end:
                return None
        found.update(range(start, end + 1, step))
    return found


def _number(text: str, names: dict[str, int]) -> int | None:
    if text.isdecimal() and text.isascii():
        return int(text)
    return names.get(text.lower())
