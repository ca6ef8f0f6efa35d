"""Backfill: a run that reads one interval of the cursor again, beside the live line of runs.

It goes on from no cursor and moves none, and it is continued only by a backfill of the same interval. Live runs and
backfills share the lease, so one works at a time; what one of them staged before another has delivered is read again,
so that no older state of a record ends up above a newer one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from dragoman.core.errors import ConfigError
from dragoman.core.flow import DeliverySpec, Flow
from dragoman.core.registry import manifests
from dragoman.steps.workplace import Workplace

__all__ = ["Backfill", "check_backfill"]


@dataclass(frozen=True)
class Backfill:
    """Of which cursor values to read records: ``start``, and up to but not including ``end``.

    ``again``: append what an earlier run has, or may have, delivered.
    """

    start: str
    end: str
    again: bool = False

    @property
    def interval(self) -> tuple[str, str]:
        """As the ledger keeps it and a connector takes it."""
        return self.start, self.end


def check_backfill(flow: Flow, place: Workplace, backfill: Backfill) -> None:
    """``ConfigError`` unless the integration can be read by intervals and nothing would be doubled or lost by it."""
    for source in flow.sources:
        role = manifests()[source.connector].source
        for stream in source.streams:
            if stream.lookup_only:
                continue
            if role is None or not role.can.interval:
                raise ConfigError(
                    "backfill.connector",
                    f"a backfill reads an interval of a cursor, and the connector {source.connector!r} of "
                    f"{stream.node!r} has none",
                    next_step="run it without --from and --to; read files again by reread: always",
                )
            if stream.cursor is None:
                raise ConfigError(
                    "backfill.no_cursor",
                    f"a backfill needs a cursor column, and {stream.node!r} of {flow.integration} has none",
                    next_step="write cursor: {column: updated_at} in the source, or run it without --from and --to",
                )
    for delivery in flow.deliveries:
        if delivery.mode == "replace":
            raise ConfigError(
                "backfill.replace",
                f"the delivery {delivery.node!r} replaces all it finds: only the interval would be left there",
                next_step="write mode: upsert with a key",
            )
        if delivery.mode == "append" and not backfill.again:
            _refuse_double(flow, place, backfill, delivery)


def _refuse_double(flow: Flow, place: Workplace, backfill: Backfill, delivery: DeliverySpec) -> None:
    """An append cannot tell what is there already; so what may be there is asked for in words."""
    for run in place.ledger.backfills(flow.integration):
        if run.interval and _overlap(run.interval, backfill.interval):
            why = f"the backfill {run.run_id} has delivered {run.interval[0]} to {run.interval[1]}"
            break
    else:
        live = [row.node for row in place.ledger.cursors(flow.integration) if row.run_id]
        if not live:
            return
        why = "live runs have delivered what lies before their cursor"
    raise ConfigError(
        "backfill.twice",
        f"the delivery {delivery.node!r} appends, and {why}: the records of {backfill.start} to {backfill.end} "
        "may be there already and would be there twice",
        next_step="deliver by mode: upsert with a key; or take the earlier ones out and add --again "
        '(in Airflow the configuration {"again": true})',
    )


def _overlap(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two intervals share a value: as moments, as numbers, or by being the same text."""
    readers: tuple[Callable[[str], Any], ...] = (_moment, Decimal)
    for read in readers:
        try:
            first, last, low, high = (read(text) for text in (*one, *other))
            return bool(low < last and first < high)
        except (ValueError, InvalidOperation):
            continue
    return one == other


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
