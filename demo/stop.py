"""``make stop``: end what the demo has started, whether it came up whole or not."""

from __future__ import annotations

from demo.processes import stop_all
from demo.servers import remove_postgres


def stop() -> int:
    """End every process of the demo and remove its database; the count of processes that were ended."""
    ended = stop_all()
    remove_postgres()
    return ended
