"""Which interval a DAG run of an Airflow backfill reads."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from dragoman.core.errors import ConfigError
from dragoman.core.flow import Flow
from dragoman.orchestration.interval import backfill_of, trigger_of


def flow(cron: str = "", timezone: str = "UTC") -> Flow:
    return Flow(integration="orders", cron=cron, timezone=timezone, sources=(), translations=(), deliveries=())


def context(start: datetime | None, end: datetime | None, kind: str = "backfill", **more: Any) -> dict[str, Any]:
    run = SimpleNamespace(run_type=kind, run_id="r1", conf=None, clear_number=0)
    vars(run).update(more)
    times = {"data_interval_start": start, "data_interval_end": end} if start else {}
    return {"dag_run": run, "run_id": "r1", "ti": SimpleNamespace(dag_id="orders"), **times}


def at(*words: int) -> datetime:
    return datetime(*words, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_only_a_backfill_has_one():
    for kind in ("manual", "scheduled", "asset_triggered"):
        assert backfill_of(context(at(2024, 1, 1), at(2024, 1, 2), kind), flow()) is None
    assert backfill_of({}, flow()) is None


def test_a_data_interval_is_read_as_it_is():
    found = backfill_of(context(at(2024, 1, 1), at(2024, 1, 2)), flow("0 0 1 1 *"))
    assert found is not None
    assert (found.interval, found.again) == (("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"), False)


@pytest.mark.parametrize(
    ("cron", "timezone", "fire", "interval"),
    [
        ("0 5 1 * *", "UTC", at(2024, 3, 1, 5), ("2024-02-01T05:00:00Z", "2024-03-01T05:00:00Z")),
        ("0 6 * * 1-5", "UTC", at(2024, 1, 8, 6), ("2024-01-05T06:00:00Z", "2024-01-08T06:00:00Z")),
        ("0 6 * * *", "Europe/Paris", at(2024, 3, 31, 4), ("2024-03-30T05:00:00Z", "2024-03-31T04:00:00Z")),
        ("@daily", "UTC", at(2024, 1, 2), ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")),
    ],
)
def test_one_without_length_is_the_time_since_the_fire_before(cron, timezone, fire, interval):
    found = backfill_of(context(fire, fire), flow(cron, timezone))
    assert found is not None
    assert found.interval == interval


def test_it_may_be_told_to_append_again():
    found = backfill_of(context(at(2024, 1, 1), at(2024, 1, 2), conf={"again": True}), flow())
    assert found is not None
    assert found.again is True


@pytest.mark.parametrize("times", [(None, None), (at(2024, 1, 1), at(2024, 1, 1))])
def test_without_any_interval_it_says_so(times):
    with pytest.raises(ConfigError) as raised:
        backfill_of(context(*times), flow())
    assert raised.value.code == "backfill.no_interval"


def test_a_dag_run_that_is_done_once_more_asks_anew_only_in_a_backfill():
    times = at(2024, 1, 1), at(2024, 1, 2)
    assert trigger_of(context(*times)) == "orders/r1"
    assert trigger_of(context(*times, clear_number=2)) == "orders/r1#2"
    assert trigger_of(context(*times, kind="scheduled", clear_number=2)) == "orders/r1"
