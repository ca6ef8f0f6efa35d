"""Live runs and backfills side by side, and cursors that a person moves, on both databases."""

from __future__ import annotations

import pytest

from dragoman.core.errors import FatalError
from dragoman.ledger.ledger import Lease, Ledger

JANUARY, FEBRUARY = ("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01")
CURSOR = {"value": "2024-01-01", "id": "7", "seen": "AAAA"}


@pytest.fixture
def lease(ledger: Ledger) -> Lease:
    return ledger.take_lease("orders")


def test_each_line_finds_its_own_unfinished_run(ledger: Ledger, lease: Lease) -> None:
    live = ledger.open_run("orders", lease.token, "d")
    january = ledger.open_run("orders", lease.token, "d", interval=JANUARY)
    assert (live.kind, live.interval) == ("live", None)
    assert (january.kind, january.interval) == ("backfill", JANUARY)
    assert ledger.unfinished_run("orders") == live
    assert ledger.unfinished_run("orders", JANUARY) == january
    assert ledger.unfinished_run("orders", FEBRUARY) is None
    assert {run.run_id for run in ledger.unfinished_runs("orders")} == {live.run_id, january.run_id}
    assert ledger.backfills("orders") == []


def test_closed_backfills_are_known_unless_they_were_given_up(ledger: Ledger, lease: Lease) -> None:
    for interval, state in ((JANUARY, "done"), (FEBRUARY, "failed")):
        run = ledger.open_run("orders", lease.token, "d", interval=interval)
        ledger.close_run(run.run_id, lease.token, state, {}, move_cursors=False)
    assert [run.interval for run in ledger.backfills("orders")] == [JANUARY]
    assert ledger.backfills("customers") == []


@pytest.mark.parametrize(
    ("state", "told"), [("done", True), ("in_doubt", True), ("nothing_new", False), ("failed", False)]
)
def test_whether_another_run_may_have_delivered_since(ledger: Ledger, lease: Lease, state: str, told: bool) -> None:
    mine = ledger.open_run("orders", lease.token, "d")
    other = ledger.open_run("orders", lease.token, "d", interval=JANUARY)
    closed = ledger.close_run(other.run_id, lease.token, state, {}, move_cursors=False)
    assert closed.closed_at is not None
    assert ledger.delivered_since("orders", mine.opened_at, mine.run_id) is told
    assert ledger.delivered_since("orders", mine.opened_at, other.run_id) is False
    assert ledger.delivered_since("customers", mine.opened_at, mine.run_id) is False


def test_a_person_moves_a_cursor_and_the_audit_says_from_where(ledger: Ledger, lease: Lease) -> None:
    ledger.put_cursor("orders", lease.token, "source", CURSOR, "ada")
    assert ledger.cursor("orders", "source") == CURSOR
    assert [(row.node, row.value, row.run_id) for row in ledger.cursors("orders")] == [("source", CURSOR, "")]
    ledger.put_cursor("orders", lease.token, "source", None, "bob")
    assert ledger.cursors("orders") == []
    said = [(row.who, row.what, row.detail) for row in ledger.audits("")]
    position = '{"value":"2024-01-01","id":"7"}'
    assert said == [
        ("ada", "cursor", f"orders/source: none -> {position}"),
        ("bob", "cursor", f"orders/source: {position} -> none"),
    ]


def test_who_lost_the_lease_moves_no_cursor(ledger: Ledger, lease: Lease) -> None:
    lease.release()
    ledger.take_lease("orders")
    with pytest.raises(FatalError) as raised:
        ledger.put_cursor("orders", lease.token, "source", CURSOR, "ada")
    assert raised.value.code == "lease.lost"
    assert ledger.cursors("orders") == []
