"""The two ends of a backfill, ``[from, to)``, as values of the cursor's column.

A person writes them in the column's own text, Airflow gives moments in UTC. A moment is put into the column's terms:
its time zone where the column has none, its day where the column is a date.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

from dragoman.core.errors import ConfigError

__all__ = ["Kind", "check_order", "ends_of", "like"]

Kind = Literal["instant", "moment", "date", "number", "text"]
"""What the column holds: times with a zone, times without one, days, numbers, or text."""


def ends_of(interval: tuple[str, str], kind: Kind, timezone: str = "") -> tuple[str, str]:
    """Both ends as text that the database can cast to the column's type.

    Two moments of one day are one and the same date: then nothing lies between them, and that is no mistake.

    Args:
        interval: from, and up to but not including.
        kind: what the column holds.
        timezone: the source's; UTC where it is empty.

    Raises:
        ConfigError: ``backfill.bound`` for an end that is no such value, ``backfill.interval`` for an empty interval.
    """
    if kind == "text":
        check_order(interval, empty=interval[0] == interval[1])
        return interval
    if kind == "number":
        low, high = (_number(text) for text in interval)
        check_order(interval, empty=low >= high)
        return f"{low:f}", f"{high:f}"
    zone = ZoneInfo(timezone) if timezone else UTC
    first, last = (_moment(text, zone, keep_zone=kind == "instant") for text in interval)
    check_order(interval, empty=first >= last)
    if kind == "date":
        return first.date().isoformat(), last.date().isoformat()
    return first.isoformat(), last.isoformat()


def like(text: str, sample: str, timezone: str = "") -> str:
    """A moment in the notation of a sample, for columns where moments are text and compare as such.

    It is cut to what the sample shows (the day, or the second): a prefix, which sorts before everything finer. Where
    the sample is no moment in ISO 8601 the text is left as it is.

    Raises:
        ConfigError: ``backfill.bound`` for a text that is no moment although the sample is one.
    """
    try:
        model = datetime.fromisoformat(sample)
    except ValueError:
        return text
    if sample[4:5] != "-":
        return text
    zone = model.tzinfo or (ZoneInfo(timezone) if timezone else UTC)
    moment = _moment(text, zone, keep_zone=True).astimezone(zone)
    if len(sample) <= len("2024-01-01"):
        return moment.date().isoformat()
    return f"{moment.date().isoformat()}{sample[10]}{moment.time().isoformat()}"


def check_order(interval: tuple[str, str], *, empty: bool) -> None:
    """``ConfigError`` ``backfill.interval`` where nothing can lie between the ends."""
    if empty:
        raise ConfigError(
            "backfill.interval",
            f"the interval from {interval[0]!r} to {interval[1]!r} holds nothing",
            next_step="write --from before --to; --to itself is not read",
        )


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise _bad(text, "a number") from error
    if not number.is_finite():
        raise _bad(text, "a number")
    return number


def _moment(text: str, zone: tzinfo, *, keep_zone: bool) -> datetime:
    """With its zone, or as a clock in ``zone`` shows it."""
    try:
        moment: datetime = datetime.fromisoformat(text)
    except ValueError as error:
        raise _bad(text, "a date or time such as 2024-01-31 or 2024-01-31T12:00:00Z") from error
    if keep_zone:
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment


def _bad(text: Any, wanted: str) -> ConfigError:
    return ConfigError(
        "backfill.bound",
        f"the interval begins or ends at {text!r}, and the cursor's column needs {wanted}",
        next_step="write --from and --to as values of the cursor's column",
    )
