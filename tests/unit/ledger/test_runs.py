"""The life of a run in the ledger, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dragoman.core.errors import FatalError
from dragoman.ledger.ledger import Lease, Ledger, RejectRow, Run
from dragoman.stage.store import Sealed

SEALED = Sealed(path="orders/r/source/00000.x.arrow", sha256="a" * 64, rows=5, size=9_000_000_000)
REJECT = RejectRow(
    code="value.bad",
    message="bad",
    stage="translate",
    path="p",
    sha256="b" * 64,
    row=3,
    field="id",
    position="a.csv:7",
    rid=2**52,
)
COUNTS = {"read": 5, "handed_on": 5}


@pytest.fixture
def lease(ledger: Ledger) -> Lease:
    return ledger.take_lease("orders")


@pytest.fixture
def run(ledger: Ledger, lease: Lease) -> Run:
    return ledger.open_run("orders", lease.token, "d" * 64, trigger="scheduled__1")


def test_a_run_opens(ledger: Ledger, lease: Lease, run: Run) -> None:
    assert (run.state, run.tries, run.token, run.digest, run.accepted, run.finished) == (
        "open",
        1,
        lease.token,
        "d" * 64,
        False,
        False,
    )
    assert run.opened_at.tzinfo is not None
    assert abs((datetime.now(UTC) - run.opened_at).total_seconds()) < 60
    assert ledger.run(run.run_id) == run
    assert ledger.unfinished_run("orders") == run
    assert ledger.unfinished_run("customers") is None
    assert ledger.run_of_trigger("orders", "scheduled__1") == run
    assert ledger.run_of_trigger("orders", "scheduled__2") is None


def test_a_failed_run_goes_on_with_another_try(ledger: Ledger, lease: Lease, run: Run) -> None:
    ledger.fail_run(run.run_id, lease.token, "http.server", "500 from the shop")
    failed = ledger.unfinished_run("orders")
    assert failed is not None
    assert (failed.state, failed.error_code, failed.error, failed.finished) == (
        "failed",
        "http.server",
        "500 from the shop",
        False,
    )
    lease.release()
    later = ledger.take_lease("orders")
    adopted = ledger.adopt_run(run.run_id, later.token)
    assert (adopted.state, adopted.tries, adopted.token, adopted.error_code) == ("open", 2, later.token, "")


def test_a_held_run_waits_and_is_accepted(ledger: Ledger, lease: Lease, run: Run) -> None:
    ledger.hold_run(run.run_id, lease.token, "run.held", "3 of 5", {"translate": [REJECT], "source": []})
    held = ledger.unfinished_run("orders")
    assert held is not None
    assert (held.state, held.error) == ("held", "3 of 5")
    assert len(ledger.open_rejects("orders")) == 1
    accepted = ledger.accept_run(run.run_id, lease.token)
    assert (accepted.state, accepted.accepted) == ("open", True)


def test_a_closed_run_is_finished_and_cannot_be_changed(ledger: Ledger, lease: Lease, run: Run) -> None:
    closed = ledger.close_run(run.run_id, lease.token, "done", {"read": 5}, move_cursors=True)
    assert (closed.state, closed.finished, closed.figures) == ("done", True, {"read": 5})
    assert closed.seconds >= 0
    assert ledger.unfinished_run("orders") is None
    changes: list[Callable[[], object]] = [
        lambda: ledger.adopt_run(run.run_id, lease.token),
        lambda: ledger.fail_run(run.run_id, lease.token, "a.b", "c"),
        lambda: ledger.record_batch(run.run_id, lease.token, "source", 0, sealed=SEALED),
        lambda: ledger.close_run(run.run_id, lease.token, "done", {}, move_cursors=True),
    ]
    for change in changes:
        with pytest.raises(FatalError) as caught:
            change()
        assert caught.value.code == "run.closed"
    assert ledger.run(run.run_id) == closed


def test_a_run_that_was_given_up_is_failed_and_finished(ledger: Ledger, lease: Lease, run: Run) -> None:
    ledger.seal_node(run.run_id, lease.token, "source", "source", COUNTS, cursor={"id": "9"}, rejects=[REJECT])
    ledger.close_run(
        run.run_id, lease.token, "failed", {}, error_code="run.abandoned", error="given up", move_cursors=False
    )
    assert ledger.close_rejects(run.run_id, "abandoned") == 1
    assert ledger.close_rejects(run.run_id, "abandoned") == 0
    assert ledger.unfinished_run("orders") is None
    assert ledger.cursor("orders", "source") is None
    assert ledger.open_rejects("orders") == []


def test_cursors_and_marks_move_only_when_the_run_closes(ledger: Ledger, lease: Lease, run: Run) -> None:
    cursor = {"column": "2026-01-31 23:59:59.999999+02", "id": "0017"}
    ledger.seal_node(
        run.run_id, lease.token, "source", "source", COUNTS, cursor=cursor, marks={"a/ü.csv": "f1", "b.csv": "f2"}
    )
    ledger.seal_node(run.run_id, lease.token, "lookup", "source", COUNTS)
    assert ledger.cursor("orders", "source") is None
    assert ledger.mark("orders", "source", "b.csv") == ""
    ledger.close_run(run.run_id, lease.token, "done", {}, move_cursors=True)
    assert ledger.cursor("orders", "source") == cursor
    assert ledger.cursor("orders", "lookup") is None
    assert ledger.cursor("customers", "source") is None
    assert ledger.marks("orders", "source") == {"a/ü.csv": "f1", "b.csv": "f2"}

    second = ledger.open_run("orders", lease.token, "d")
    ledger.seal_node(
        second.run_id,
        lease.token,
        "source",
        "source",
        COUNTS,
        cursor={"id": "0018"},
        marks={"b.csv": "f3", "c.csv": "f4"},
    )
    ledger.close_run(second.run_id, lease.token, "done", {}, move_cursors=True)
    assert ledger.cursor("orders", "source") == {"id": "0018"}
    assert ledger.marks("orders", "source") == {"a/ü.csv": "f1", "b.csv": "f3", "c.csv": "f4"}

    third = ledger.open_run("orders", lease.token, "d")
    ledger.seal_node(third.run_id, lease.token, "source", "source", COUNTS)
    ledger.close_run(third.run_id, lease.token, "nothing_new", {}, move_cursors=True)
    assert ledger.cursor("orders", "source") == {"id": "0018"}


def test_thousands_of_marks(ledger: Ledger, lease: Lease, run: Run) -> None:
    marks = {f"in/{number:05d}.csv": f"{number}" for number in range(3_000)}
    for _time in range(2):
        run = ledger.open_run("orders", lease.token, "d")
        ledger.seal_node(run.run_id, lease.token, "source", "source", COUNTS, marks=marks)
        ledger.close_run(run.run_id, lease.token, "done", {}, move_cursors=True)
    assert ledger.marks("orders", "source") == marks


def test_batches_are_recorded_once_and_in_order(ledger: Ledger, lease: Lease, run: Run) -> None:
    for seq in (1, 0, 2, 1):
        ledger.record_batch(run.run_id, lease.token, "source", seq, sealed=replace(SEALED, rows=seq))
    rows = ledger.batches(run.run_id, "source")
    assert [(row.seq, row.rows) for row in rows] == [(0, 0), (1, 1), (2, 2)]
    assert rows[1].batch_id == f"{run.run_id}/source/00001"
    assert (rows[0].path, rows[0].sha256, rows[0].size) == (SEALED.path, SEALED.sha256, SEALED.size)
    assert ledger.batches(run.run_id, "other") == []


def test_a_node_that_begins_anew_forgets_what_it_had(ledger: Ledger, lease: Lease, run: Run) -> None:
    for node in ("a", "b"):
        ledger.record_batch(run.run_id, lease.token, node, 0, sealed=SEALED)
        ledger.seal_node(run.run_id, lease.token, node, "source", COUNTS, rejects=[REJECT])
    ledger.drop_batches(run.run_id, lease.token, "a")
    assert ledger.batches(run.run_id, "a") == []
    assert ledger.node(run.run_id, "a") is None
    assert [row.node for row in ledger.open_rejects("orders")] == ["b"]
    assert len(ledger.batches(run.run_id, "b")) == 1


def test_node_accounts(ledger: Ledger, lease: Lease, run: Run) -> None:
    ledger.seal_node(run.run_id, lease.token, "source", "source", COUNTS, cursor=[1], marks={"a": "b"})
    ledger.prepare_node(
        run.run_id, lease.token, "deliver", "delivery", {"in": 5, "rejected": 2}, rejects=[REJECT, REJECT]
    )
    ledger.prepare_node(run.run_id, lease.token, "deliver", "delivery", {"in": 5, "rejected": 1}, rejects=[REJECT])
    ledger.finish_node(run.run_id, lease.token, "deliver")
    deliver, source = ledger.nodes(run.run_id)
    assert (deliver.kind, deliver.state, deliver.counts) == ("delivery", "done", {"in": 5, "rejected": 1})
    assert (source.state, source.counts, source.cursor, source.marks) == ("sealed", COUNTS, [1], {"a": "b"})
    assert ledger.node(run.run_id, "deliver") == deliver
    assert ledger.open_rejects("orders", run.run_id) == [
        replace(REJECT, run_id=run.run_id, node="deliver", integration="orders")
    ]
    with pytest.raises(FatalError):
        ledger.finish_node(run.run_id, lease.token, "nowhere")


def test_another_copy_keeps_only_what_is_named(ledger: Ledger, lease: Lease, run: Run) -> None:
    for node in ("source", "translate"):
        ledger.set_bound(run.run_id, lease.token, node, {"max": node})
        ledger.record_batch(run.run_id, lease.token, node, 0, sealed=SEALED)
        ledger.seal_node(run.run_id, lease.token, node, "source", COUNTS, rejects=[REJECT])
    ledger.accept_run(run.run_id, lease.token)
    repinned = ledger.repin_run(run.run_id, lease.token, "e" * 64, keep=("source",))
    assert (repinned.digest, repinned.accepted, repinned.bounds) == ("e" * 64, False, {"source": {"max": "source"}})
    assert [row.node for row in ledger.nodes(run.run_id)] == ["source"]
    assert len(ledger.batches(run.run_id, "source")) == 1
    assert [row.node for row in ledger.open_rejects("orders")] == ["source"]
    assert ledger.repin_run(run.run_id, lease.token, "f" * 64, keep=()).bounds == {}
    assert ledger.nodes(run.run_id) == []


def test_the_newest_runs_come_first(ledger: Ledger) -> None:
    made = []
    for integration in ("a", "b", "a"):
        lease = ledger.take_lease(integration)
        made.append(ledger.open_run(integration, lease.token, "d").run_id)
        ledger.close_run(made[-1], lease.token, "done", {}, move_cursors=True)
        lease.release()
    assert [run.run_id for run in ledger.runs()] == made[::-1]
    assert [run.run_id for run in ledger.runs("a")] == [made[2], made[0]]
    assert [run.run_id for run in ledger.runs(limit=1)] == [made[2]]


def test_an_unknown_run(ledger: Ledger, lease: Lease) -> None:
    for ask in (lambda: ledger.run("nope"), lambda: ledger.fail_run("nope", lease.token, "a.b", "c")):
        with pytest.raises(FatalError) as caught:
            ask()
        assert caught.value.code == "run.unknown"


def test_audit_and_good_copies(ledger: Ledger) -> None:
    ledger.audit("ada@cli", "accept", "r1", "3 of 5")
    ledger.audit("bob@cli", "abandon", "r2")
    (row,) = ledger.audits("r1")
    assert (row.who, row.what, row.detail) == ("ada@cli", "accept", "3 of 5")
    assert ledger.good_copy("dags/integrations/a.yaml") is None
    for digest, content in (("d1", b"one"), ("d2", b"\x00\xff two"), ("d2", b"not written: the digest is known")):
        ledger.save_good_copy("dags/integrations/a.yaml", digest, {"a.yaml": content})
    copy = ledger.good_copy("dags/integrations/a.yaml")
    assert copy is not None
    assert (copy.digest, copy.files) == ("d2", {"a.yaml": b"\x00\xff two"})
