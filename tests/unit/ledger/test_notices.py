"""What was told and what is still to be told: each kind once per run and receiver, whoever asks and however often."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from dragoman.core import clock
from dragoman.ledger.ledger import Ledger
from dragoman.ledger.notices import CLAIM_SECONDS, KEPT_DAYS
from dragoman.ledger.rows import NoticeRow


def notice(target: str = "t1", *, subject: str = "r1", kind: str = "red", event: str = "failed") -> NoticeRow:
    return NoticeRow(
        integration="orders",
        subject=subject,
        kind=kind,
        target=target,
        event=event,
        receiver={"notifier": "email", "to": ["ops@example.com"]},
        message={"event": event},
    )


def events(ledger: Ledger) -> list[tuple[str, str]]:
    return [(row.target, row.event) for row in ledger.untold("orders")]


def test_a_fact_is_new_once(ledger: Ledger) -> None:
    assert ledger.note("orders", "r1", "rejects", "rejects", [notice(kind="rejects", event="rejects")])
    assert not ledger.note("orders", "r1", "rejects", "rejects", [notice("t2", kind="rejects", event="rejects")])
    assert events(ledger) == [("t1", "rejects")]


def test_one_of_failed_and_held_for_each_receiver(ledger: Ledger) -> None:
    ledger.note("orders", "r1", "red", "failed", [notice("ops")])
    ledger.note("orders", "r1", "red", "held", [notice("ops", event="held"), notice("business", event="held")])
    assert sorted(events(ledger)) == [("business", "held"), ("ops", "failed")]


def test_a_claim_is_for_one(ledger: Ledger) -> None:
    ledger.note("orders", "r1", "red", "failed", [notice()])
    (row,) = ledger.untold()
    won: list[bool] = []
    threads = [threading.Thread(target=lambda: won.append(ledger.claim(row))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
    assert ledger.untold() == []
    ledger.settle(row, "the server was away")
    assert [(found.tries, found.error) for found in ledger.untold()] == [(1, "the server was away")]
    assert ledger.claim(row)
    ledger.settle(row)
    assert ledger.untold() == []
    assert not ledger.claim(row)
    assert [(found.state, found.tries, found.error) for found in ledger.notices("orders")] == [("told", 2, "")]


def test_a_sender_that_died_is_replaced(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.note("orders", "r1", "red", "failed", [notice()])
    (row,) = ledger.untold()
    assert ledger.claim(row)
    later = datetime.now(UTC) + timedelta(seconds=CLAIM_SECONDS + 1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert events(ledger) == [("t1", "failed")]
    assert ledger.claim(row)
    assert not ledger.claim(row)


def test_old_news_is_not_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.note("orders", "r1", "red", "failed", [notice()])
    later = datetime.now(UTC) + timedelta(days=KEPT_DAYS, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert ledger.untold() == []


def test_the_first_green_run_after_red_ones_recovers_once(ledger: Ledger) -> None:
    recovered = [notice(subject="r3", kind="recovered", event="recovered")]
    assert not ledger.note_recovery("orders", "r0", clock.now(), recovered)
    ledger.note("orders", "r1", "red", "failed")
    ledger.note("orders", "r2", "red", "held")
    ledger.note("customers", "r9", "red", "failed")
    closed = clock.now()
    assert ledger.red_before("orders", closed) == ["r1", "r2"]
    assert ledger.note_recovery("orders", "r3", closed, recovered)
    assert not ledger.note_recovery("orders", "r3", closed, recovered)
    assert not ledger.note_recovery("orders", "r4", clock.now(), recovered)
    assert events(ledger) == [("t1", "recovered")]
    assert ledger.red_before("customers", clock.now()) == ["r9"]


def test_a_run_that_was_closed_before_recovers_nothing(ledger: Ledger) -> None:
    closed = clock.now()
    ledger.note("orders", "r2", "red", "failed")
    assert not ledger.note_recovery("orders", "r1", closed - timedelta(seconds=1))
    assert ledger.red_before("orders", clock.now()) == ["r2"]


def test_old_notices_are_dropped_but_not_what_is_still_red(ledger: Ledger) -> None:
    ledger.note("orders", "r1", "red", "failed", [notice()])
    ledger.note("orders", "r1", "late", "late")
    before = clock.now()
    ledger.note("orders", "r2", "rejects", "rejects", [notice("t2", subject="r2", kind="rejects")])
    assert ledger.drop_notices(before) == 2
    assert ledger.red_before("orders", clock.now()) == ["r1"]
    assert [row.subject for row in ledger.notices()] == ["r2"]


def test_a_late_run_is_marked_once(ledger: Ledger) -> None:
    with ledger.take_lease("orders") as lease:
        run = ledger.open_run("orders", lease.token, "d" * 64, trigger="orders/first")
    assert run.late_at is None
    ledger.mark_late(run.run_id)
    first = ledger.run(run.run_id).late_at
    ledger.mark_late(run.run_id)
    assert first is not None
    assert ledger.run(run.run_id).late_at == first


def test_late_before_it_has_opened_a_run(ledger: Ledger) -> None:
    ledger.note("orders", "orders/first", "late", "late")
    with ledger.take_lease("orders") as lease:
        late = ledger.open_run("orders", lease.token, "d" * 64, trigger="orders/first")
        in_time = ledger.open_run("orders", lease.token, "d" * 64, trigger="orders/second")
    assert late.late_at is not None
    assert in_time.late_at is None
