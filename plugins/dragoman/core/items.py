"""The port of destinations that take items by requests, such as APIs, and say of each item what became of it.

A connector only sends, reads answers and looks up. Everything that the guarantee needs is done once for all of them in
``steps/`` (intent before send, outcome after it, bisection, retries, what to do where nobody knows what happened), so a
first send, a retry and a replay go the same way. Its module ``destination.py`` has ``open_destination(connection,
options) -> ItemDestination``, and its manifest says ``can: {items: true, visible: batch}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

__all__ = [
    "AGAIN",
    "DELIVERED",
    "REFUSED",
    "RESOLUTIONS",
    "UNKNOWN",
    "Answered",
    "Item",
    "ItemDestination",
    "Outcome",
]

DELIVERED, REFUSED, AGAIN, UNKNOWN = "delivered", "refused", "again", "unknown"
"""What became of an item: it is there; it was refused for its data; it was surely not applied and may be sent again;
it may or may not have been applied."""

RESOLUTIONS = ("idempotency", "upsert", "read_back", "none")
"""What to do where the outcome is unknown: send again with the same idempotency key; send again, for the peer upserts
by an external id; look it up and send again only what is not there; nothing, for then only a person can decide."""


@dataclass(frozen=True)
class Item:
    """One output on its way.

    ``row``: its row in the table that was handed over (0-based). ``key``: what tells it apart from all others of this
    delivery: ``column=value,…`` of the delivery's key, else the id of its record. ``token``: the idempotency key, 32
    hexadecimal digits made of integration, delivery, key, content and the state of its record (by the source's cursor
    or its place in a file, else the id that it got when it was first read): the same for every try and every replay as
    long as the content is the same. ``values``: the output by column, for placeholders. ``body``: the output as one
    JSON object, numbers exact.
    """

    row: int
    key: str
    token: str
    values: Mapping[str, Any]
    body: bytes


class Outcome(NamedTuple):
    """What became of one item. ``remote_id``: the peer's own id of it; ``answer``: the peer's words, masked and short.

    ``code`` and ``message`` say why where it is not ``delivered``; ``field`` names the column, where the peer did.
    """

    state: str
    code: str = ""
    message: str = ""
    field: str = ""
    answer: str = ""
    remote_id: str = ""


@dataclass(frozen=True)
class Answered:
    """The answer to one request.

    ``outcomes``: one per item, in the order they were sent; an item of which the answer says nothing is ``unknown``.
    ``together``: the request was judged as one, so a refusal may be the fault of any of its items; all outcomes are
    the same then.
    ``wait``: seconds that the peer asks to wait before the next request. ``outage``: ``DOWN`` (``errors.py``) where
    the peer as a whole did not answer as it should; such answers in a row open its circuit.
    """

    outcomes: tuple[Outcome, ...]
    together: bool = False
    wait: float | None = None
    outage: str = ""


class ItemDestination(Protocol):
    """A destination of items. Not for several threads at once."""

    @property
    def resolution(self) -> str:
        """One of ``RESOLUTIONS``: what ``resolution_after`` gives at once for a request whose items are all unknown."""
        ...

    def resolution_after(self, seconds: float, *, whole: bool = True) -> str:
        """One of ``RESOLUTIONS``, for items whose outcome is unknown this long after they were sent first.

        A peer forgets idempotency keys after a while. ``whole``: all items of the request are unknown. A key belongs
        to a request as it was sent, so ``idempotency`` means: the same items in the same order in one request again.
        Where only some items of a request are unknown, it cannot help.
        """
        ...

    def requests(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        """The items as they go into requests, in their order: by number and by size."""
        ...

    def send(self, items: Sequence[Item]) -> Answered:
        """One request, sent once: no retries here.

        Raises:
            RetriableError: it was surely not applied, and the peer cannot be reached or asks to wait.
            FatalError: no item can be sent this way (credentials, address, path); it was surely not applied.
        """
        ...

    def look_up(self, item: Item) -> Outcome | None:
        """What the peer has of the item: ``delivered`` with its id, or None where it has nothing.

        Only where ``resolution_after`` gives ``read_back``. It waits where the peer's search is known to lag.

        Raises:
            RetriableError: the peer cannot tell now.
        """
        ...

    def erase(self, items: Sequence[Item]) -> Answered:
        """Like ``send``, to remove the items by their key; only where the manifest says ``erase``."""
        ...

    def close(self) -> None:
        """Give back what was opened; called once, always."""
        ...
