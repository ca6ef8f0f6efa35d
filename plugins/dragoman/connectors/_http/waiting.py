"""How long to wait before a request is sent again: as the server asks, else longer and longer, by chance.

Source: RFC 9110, 10.2.3 (Retry-After: seconds or a date); some servers write the moment in seconds since 1970, and
some name it in X-RateLimit-Reset or RateLimit-Reset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from dragoman.core import clock

__all__ = ["BUDGET", "MAX_HANDED_ON", "Patience", "asked_wait"]

BUDGET = 120.0
"""Seconds that one request may wait between its tries; then the task is given back and tried again later."""

MAX_HANDED_ON = 3600.0
"""The longest wait in seconds that is handed on to whoever tries the task again."""

TRIES = 6
_FIRST, _LONGEST = 0.25, 30.0
_EPOCH = 1_000_000_000
"""From here on a number is a moment in seconds since 1970 (the 9th of September 2001), not a number of seconds."""


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks for; 0 for a moment that is past, None where it asks for none."""
    for name in ("retry-after", "ratelimit-reset", "x-ratelimit-reset"):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text):
            number = float(text)
            return number if number < _EPOCH else max(0.0, number - clock.now().timestamp())
        if text and name == "retry-after":
            try:
                return max(0.0, parsedate_to_datetime(text).timestamp() - clock.now().timestamp())
            except (ValueError, OverflowError):
                continue
    return None


class Patience:
    """The tries of one request. Each page has its own, so that a long reading that is slowed down goes on."""

    def __init__(self) -> None:
        self.tries = 0
        self._waited = 0.0

    def next_wait(self, asked: float | None) -> float | None:
        """Seconds to wait after one more failed try; None when tries or budget are used up."""
        self.tries += 1
        wait = min(_LONGEST, _FIRST * 2.0**self.tries) * clock.random_fraction()
        wait = max(wait, asked or 0.0)
        if self.tries >= TRIES or self._waited + wait > BUDGET:
            return None
        self._waited += wait
        return wait
