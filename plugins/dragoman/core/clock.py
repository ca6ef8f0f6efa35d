"""The one seam for time, random numbers and ids, so that tests control them.

No cursor and no lease is ever decided by this clock: cursors come from the source's own text, leases from the
ledger database's clock. It stamps history and makes ids.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

__all__ = ["moment_of", "monotonic", "new_run_id", "now", "random_fraction", "sleep"]


def now() -> datetime:
    """The present moment, with UTC as its offset."""
    return datetime.now(UTC)


def moment_of(seconds: float) -> datetime:
    """A moment given in seconds since 1970, as databases tell it."""
    return datetime.fromtimestamp(seconds, UTC)


def monotonic() -> float:
    """Seconds that never run backwards, for durations."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def random_fraction() -> float:
    """A number from 0 to 1, for jitter."""
    return secrets.randbelow(1_000_000) / 1_000_000


def new_run_id() -> str:
    """An id that sorts by its time and is safe in file names: ``20260131T235959-1a2b3c4d``."""
    return f"{now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
