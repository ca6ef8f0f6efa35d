"""A destination of items within this process, and a world to deliver to it: a real ledger, a real stage.

The peer applies what it takes, keeps idempotency keys, and misbehaves as a test tells it: each request takes the next
word of its ``script``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from dragoman.core.batch import RECORD, Refused
from dragoman.core.errors import DOWN, FatalError, RetriableError
from dragoman.core.items import AGAIN, DELIVERED, REFUSED, UNKNOWN, Answered, Item, Outcome
from dragoman.core.ports import DeliverRequest
from dragoman.ledger.lease import Lease
from dragoman.ledger.ledger import Ledger, open_ledger
from dragoman.stage.store import Stage
from dragoman.steps.items.delivery import ItemDelivery
from dragoman.steps.work import HeldError

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])


@dataclass
class ItemPeer:
    """``applied`` holds each item that was applied, in order, as its body says."""

    how: str = "none"
    size: int = 1
    script: list[str] = field(default_factory=list)
    bad: set[int] = field(default_factory=set)
    """Ids that the peer refuses; a request of several items is refused as a whole for one of them."""
    partial: bool = False
    """Whether it answers for each item instead."""
    forgets_after: float = 86_400.0
    applied: list[dict] = field(default_factory=list)
    requests_made: list[list[int]] = field(default_factory=list)
    looked_up: list[int] = field(default_factory=list)
    stored: dict[str, Answered] = field(default_factory=dict)
    wait: float | None = None

    @property
    def resolution(self) -> str:
        return self.resolution_after(0.0)

    def resolution_after(self, seconds: float, *, whole: bool = True) -> str:
        if self.how == "idempotency" and (seconds > self.forgets_after or not whole):
            return "none"
        return self.how

    def requests(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        for at in range(0, len(items), self.size):
            yield items[at : at + self.size]

    def send(self, items: Sequence[Item]) -> Answered:
        ids = [int(item.values["id"]) for item in items]
        self.requests_made.append(ids)
        word = self.script.pop(0) if self.script else "ok"
        if word == "throttled":
            raise RetriableError("http.throttled", "429", retry_after=0.01)
        if word == "denied":
            raise FatalError("http.denied", "401")
        if word == "before":
            return Answered((Outcome(AGAIN, "http.unavailable", "503 before"),) * len(items))
        if word == "nothing":
            return Answered((Outcome(UNKNOWN, "http.timeout", "no answer"),) * len(items))
        if word == "down":
            return Answered((Outcome(UNKNOWN, "http.server_error", "500"),) * len(items), outage=DOWN)
        answered = self._apply(items, ids)
        if word == "lost":
            return Answered((Outcome(UNKNOWN, "http.truncated", "no whole answer"),) * len(items))
        if word == "silent_of_last":
            return Answered(answered.outcomes[:-1])
        return answered

    def look_up(self, item: Item) -> Outcome | None:
        self.looked_up.append(int(item.values["id"]))
        word = self.script.pop(0) if self.script and self.script[0] == "cannot_tell" else ""
        if word:
            raise RetriableError("http.unavailable", "503 of the search")
        for number, one in enumerate(self.applied):
            if one["id"] == item.values["id"]:
                return Outcome(DELIVERED, remote_id=f"r{number}")
        return None

    def erase(self, items: Sequence[Item]) -> Answered:
        self.requests_made.append([int(item.values["id"]) for item in items])
        word = self.script.pop(0) if self.script else "ok"
        gone = {int(item.values["id"]) for item in items}
        self.applied = [one for one in self.applied if one["id"] not in gone]
        state = UNKNOWN if word == "lost" else DELIVERED
        return Answered((Outcome(state),) * len(items))

    def close(self) -> None:
        pass

    def _apply(self, items: Sequence[Item], ids: list[int]) -> Answered:
        key = "+".join(item.token for item in items)
        if self.how == "idempotency" and key in self.stored:
            return self.stored[key]
        if self.bad & set(ids) and not (self.partial and len(ids) > 1):
            answered = Answered((Outcome(REFUSED, "http.rejected", f"422 for {ids}"),) * len(ids), together=True)
        else:
            outcomes = []
            for item, number in zip(items, ids, strict=True):
                if number in self.bad:
                    outcomes.append(Outcome(REFUSED, "http.rejected", f"{number} is bad", "name"))
                    continue
                body = json.loads(item.body)
                if self.how == "upsert":
                    self.applied = [one for one in self.applied if one["id"] != body["id"]]
                self.applied.append(body)
                outcomes.append(Outcome(DELIVERED, remote_id=f"r{len(self.applied) - 1}"))
            answered = Answered(tuple(outcomes), wait=self.wait)
        self.stored[key] = answered
        return answered


@dataclass
class Limit:
    """At most so many rejects; remembers what it was told when it held."""

    most: int = 1_000_000
    refused: list[Refused] = field(default_factory=list)
    delivered: int = -1

    def allows(self, rejects: int) -> bool:
        return rejects <= self.most

    def hold(self, refused: Sequence[Refused], delivered: int) -> None:
        self.refused, self.delivered = list(refused), delivered
        raise HeldError("run.held", "over its limit")


@dataclass
class World:
    """One run whose deliveries are tried again and again, as after a kill."""

    ledger: Ledger
    stage: Stage
    lease: Lease
    run_id: str

    @classmethod
    def at(cls, folder: Path) -> World:
        ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
        lease = ledger.take_lease("orders")
        run = ledger.open_run("orders", lease.token, "digest")
        return cls(ledger, Stage(str(folder / "stage")), lease, run.run_id)

    def session(self, peer: ItemPeer, limit: Limit | None = None, *, key: tuple[str, ...] = ()) -> ItemDelivery:
        """A new try's delivery."""
        request = DeliverRequest(
            integration="orders",
            delivery="deliver",
            run_id=self.run_id,
            token=self.lease.token,
            schema=SCHEMA,
            mode="append",
            key=key,
        )
        return ItemDelivery(peer, request, self.ledger, self.stage.run("orders", self.run_id), limit or Limit())

    @property
    def batch_id(self) -> str:
        """The first batch of the only source."""
        return f"{self.run_id}/source/00000"


def outputs(*ids: int | None) -> pa.Table:
    """Outputs with these ids, one per record."""
    table = pa.table({"id": pa.array(ids, pa.int64()), "name": pa.array([f"n{one}" for one in ids])}, schema=SCHEMA)
    return table.append_column(RECORD, pa.array([f"run:{row}" for row in range(len(ids))]))
