"""What the demo runs, in which order, and what must come of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from demo.places import API_DATA, INBOX, OUT, SAMPLES


@dataclass(frozen=True)
class Expected:
    """One run: the integration, what is told about it, and the figures that the sample data must give."""

    integration: str
    about: str
    delivered: int
    rejected: int

    def differences(self, run: dict[str, Any] | None) -> list[str]:
        """What of the real run is not as expected; ``run`` as ``dragoman runs --json`` has it."""
        if run is None:
            return ["no such run is in the ledger"]
        wanted = {"state": "done", "balanced": True, "delivered": self.delivered, "rejected": self.rejected}
        return [f"{key} is {run[key]}, not {value}" for key, value in wanted.items() if run[key] != value]


ROUNDS: tuple[tuple[Expected, ...], ...] = (
    (
        Expected("customers", "CSV file to PostgreSQL, upsert by key", delivered=53, rejected=7),
        Expected("orders", "paged HTTP API to PostgreSQL", delivered=238, rejected=2),
    ),
    (Expected("orders", "the same again: only what is new or changed", delivered=26, rejected=0),),
    (Expected("order_report", "both tables joined into a CSV file", delivered=248, rejected=7),),
)
"""The runs of one round start together; a round begins when the one before has ended."""


def integrations() -> list[str]:
    """Each integration once, in the order of their first runs."""
    return list(dict.fromkeys(expected.integration for group in ROUNDS for expected in group))


def lay_out() -> None:
    """The folders, and the orders as the shop has them on the first day."""
    for folder in (INBOX, OUT):
        folder.mkdir(parents=True, exist_ok=True)
    _serve(json.loads((SAMPLES / "orders.json").read_text(encoding="utf-8")))


def next_day() -> None:
    """The shop goes on: some orders change, some are new."""
    orders = {order["id"]: order for order in json.loads(API_DATA.read_text(encoding="utf-8"))}
    later = json.loads((SAMPLES / "orders_later.json").read_text(encoding="utf-8"))
    orders |= {order["id"]: order for order in later}
    _serve(sorted(orders.values(), key=lambda order: (order["updated_at"], order["id"])))


def connections(database: str, shop: str) -> dict[str, str]:
    """The connections that the integrations name, in Airflow's notation; ``shop`` is the API's base URL."""
    return {
        "samples": SAMPLES.as_uri(),
        "inbox": INBOX.as_uri(),
        "outbox": OUT.as_uri(),
        "warehouse": database,
        "shop": json.dumps({"conn_type": "http", "host": shop, "extra": {"allow_private": True}}),
    }


def _serve(orders: list[dict[str, Any]]) -> None:
    aside = API_DATA.with_suffix(".new")
    aside.write_text(json.dumps(orders, ensure_ascii=False), encoding="utf-8")
    aside.replace(API_DATA)
