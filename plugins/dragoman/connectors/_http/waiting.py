"""How long to wait before a request is sent again: as the server asks, else longer and longer, by chance.

Source: RFC 9110, 10.2.3 (Retry-After: seconds or a date); some servers write the moment in seconds since 1970, and
some name it in X-RateLimit-Reset or RateLimit-Reset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from dragoman.core import clock

__all__ = ["asked_wait"]

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
