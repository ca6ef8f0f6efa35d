"""How long to go on trying: longer and longer waits, by chance, until a budget is used up."""

from __future__ import annotations

from dragoman.core import clock

__all__ = ["BUDGET", "MAX_HANDED_ON", "TRIES", "Patience", "handed_on"]

BUDGET = 120.0
"""Seconds in which one request may be begun again; then the task is given back and tried again later."""

MAX_HANDED_ON = 3600.0
"""The longest wait in seconds that is handed on to whoever tries the task again."""

TRIES = 6
_FIRST, _LONGEST = 0.25, 30.0


class Patience:
    """The tries of one request. Each has its own, so that a long reading or delivery that is slowed down goes on.

    ``most``: how many tries, ``TRIES`` where it is not said.
    """

    def __init__(self, most: int | None = None) -> None:
        self.tries = 0
        self._most = TRIES if most is None else most
        self._begun = clock.monotonic()
        self._waited = 0.0

    def next_wait(self, asked: float | None) -> float | None:
        """Seconds to wait after one more failed try; None when tries or budget are used up.

        The first wait is a quarter of a second at most, each next one up to twice as long; ``asked`` is the least.
        """
        wait = min(_LONGEST, _FIRST * 2.0**self.tries) * clock.random_fraction()
        self.tries += 1
        wait = max(wait, asked or 0.0)
        spent = max(self._waited, clock.monotonic() - self._begun)  # requests that time out use it up too
        if self.tries >= self._most or spent + wait > BUDGET:
            return None
        self._waited += wait
        return wait

    @property
    def told(self) -> str:
        """``6 tries``, as messages end when they are used up."""
        return "1 try" if self.tries == 1 else f"{self.tries} tries"


def handed_on(asked: float | None) -> float | None:
    """The wait that a peer asked for, capped, as it is handed on to whoever tries the task again."""
    return None if asked is None else min(asked, MAX_HANDED_ON)
