"""How long to wait before an absent item is taken for absent, where a peer's search lags behind what it took."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.core import clock
from dragoman.core.items import Item

__all__ = ["Settling"]


class Settling:
    """Remembers when items of unknown outcome were sent; those of an earlier process, before this one began."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun = clock.monotonic()
        self._sent: dict[str, float] = {}

    def sent(self, items: Sequence[Item]) -> None:
        """These were sent now, and nobody knows what became of them."""
        if self._seconds and items:
            now = clock.monotonic()
            self._sent = {token: at for token, at in self._sent.items() if now - at < self._seconds}
            self._sent |= {item.token: now for item in items}

    def wait(self, item: Item) -> bool:
        """Wait until the item would be found if it were there; whether that took any time."""
        if not self._seconds:
            return False
        left = self._sent.get(item.token, self._begun) + self._seconds - clock.monotonic()
        if left > 0:
            clock.sleep(left)
        return left > 0
