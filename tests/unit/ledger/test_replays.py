"""Claims of rejects: all or none, once, given back or replayed; and what people decide."""

from __future__ import annotations

import pytest

from dragoman.core.errors import FatalError, RetriableError
from dragoman.ledger.ledger import Lease, Ledger, RejectRow, Run
from dragoman.ledger.reject_index import Wanted

PLAIN = {"message": "m", "stage": "translate", "path": "p", "sha256": "s"}


def rejected(ledger: Ledger, lease: Lease, *codes: str, state: str = "open") -> Run:
    """A closed run with these rejects, the last first by their record."""
    run = ledger.open_run("orders", lease.token, "d")
    rows = [
        RejectRow(code=code, row=row, rid=len(codes) - row, state=state, field=code[:1], **PLAIN)
        for row, code in enumerate(codes)
    ]
    ledger.seal_node(run.run_id, lease.token, "translate", "translation", {}, rejects=rows)
    return ledger.close_run(run.run_id, lease.token, "done", {}, move_cursors=False)


def replayed(ledger: Ledger, lease: Lease, claims: list[int], run_id: str = "replay") -> Run:
    return ledger.open_replay(
        "orders", lease.token, "d", run_id=run_id, claims=claims, asked={"force": True}, who="ann"
    )


def states(ledger: Ledger) -> list[str]:
    return [row.state for _number, row in ledger.rejects_after("orders", Wanted())]


def test_claims_are_taken_all_or_none(ledger: Ledger) -> None:
    with ledger.take_lease("orders") as lease:
        rejected(ledger, lease, "a", "b", "c")
        numbers = ledger.replayable("orders", Wanted(states=("open",)))
        assert numbers == sorted(numbers, reverse=True)
        run = replayed(ledger, lease, numbers[:2])
        assert (run.kind, run.replay, run.live, run.accepted, run.tries, run.asked) == (
            "replay",
            True,
            False,
            True,
            0,
            {"force": True},
        )
        assert states(ledger) == ["open", "replaying", "replaying"]
        with pytest.raises(RetriableError, match="1 of 2") as caught:
            replayed(ledger, lease, [numbers[1], numbers[2]], "second")
        assert caught.value.code == "replay.claimed"
        assert states(ledger) == ["open", "replaying", "replaying"]
        with pytest.raises(FatalError):
            ledger.run("second")
        assert ledger.claimed(run.run_id) == numbers[:2]
        assert [one.run_id for one in ledger.unfinished_replays("orders")] == ["replay"]
        assert ledger.unfinished_run("orders") is None
        assert [(one.who, one.what) for one in ledger.audits("replay")] == [("ann", "replay")]


def test_only_the_holder_of_the_lease_claims(ledger: Ledger) -> None:
    with ledger.take_lease("orders") as lease:
        rejected(ledger, lease, "a")
        numbers = ledger.replayable("orders", Wanted())
    with ledger.take_lease("orders"), pytest.raises(FatalError) as caught:
        replayed(ledger, lease, numbers)
    assert caught.value.code == "lease.lost"
    assert states(ledger) == ["open"]


@pytest.mark.parametrize(("state", "after"), [("done", "replayed"), ("in_doubt", "replayed"), ("failed", "in_doubt")])
def test_when_the_replay_is_closed(ledger: Ledger, state: str, after: str) -> None:
    with ledger.take_lease("orders") as lease:
        rejected(ledger, lease, "a", state="in_doubt")
        numbers = ledger.replayable("orders", Wanted(states=("open", "in_doubt")))
        replayed(ledger, lease, numbers)
        ledger.close_run("replay", lease.token, state, {}, move_cursors=False)
        ((_number, row),) = ledger.rejects_after("orders", Wanted())
        assert (row.state, row.replay_run) == (after, "" if state == "failed" else "replay")
        assert ledger.unfinished_replays("orders") == []


def test_what_belongs_to_a_run_that_goes_on_is_not_replayable(ledger: Ledger) -> None:
    with ledger.take_lease("orders") as lease:
        run = ledger.open_run("orders", lease.token, "d")
        row = RejectRow(code="a", row=0, **PLAIN)
        ledger.seal_node(run.run_id, lease.token, "translate", "translation", {}, rejects=[row])
        assert ledger.replayable("orders", Wanted()) == []


def test_what_is_wanted(ledger: Ledger) -> None:
    with ledger.take_lease("orders") as lease:
        first, second = rejected(ledger, lease, "a", "b"), rejected(ledger, lease, "b", "c")
    numbers = [number for number, _row in ledger.rejects_after("orders", Wanted())]

    def found(**words: object) -> list[int]:
        return [numbers.index(number) for number, _row in ledger.rejects_after("orders", Wanted(**words))]

    assert found(run_id=first.run_id) == [0, 1]
    assert found(code="b") == [1, 2]
    assert found(code="b", run_id=second.run_id) == [2]
    assert found(field="c") == [3]
    assert found(stage="deliver") == []
    assert found(states=("open",), numbers=(numbers[3], numbers[0])) == [0, 3]
    assert ledger.count_rejects("orders", Wanted(code="b")) == 2
    assert ledger.rejects_after("prices", Wanted()) == []
    assert [number for number, _row in ledger.rejects_after("orders", Wanted(), after=numbers[1], limit=1)] == [
        numbers[2]
    ]


def test_decisions_are_all_or_none_and_audited(ledger: Ledger) -> None:
    with ledger.take_lease("orders") as lease:
        run = rejected(ledger, lease, "a", "b", "c")
    numbers = [number for number, _row in ledger.rejects_after("orders", Wanted())]
    ledger.decide_rejects(numbers[:2], "open", "dismissed", who="ann", what="dismiss", detail="why")
    assert states(ledger) == ["dismissed", "dismissed", "open"]
    with pytest.raises(RetriableError, match="2 of 3") as caught:
        ledger.decide_rejects(numbers, "open", "dismissed", who="ann", what="dismiss", detail="why")
    assert caught.value.code == "reject.changed"
    assert states(ledger) == ["dismissed", "dismissed", "open"]
    (entry,) = ledger.audits(run.run_id)
    assert (entry.who, entry.what, entry.detail) == ("ann", "dismiss", f"rejects {numbers[0]}-{numbers[1]}: why")


def test_a_correction_of_what_somebody_else_has_decided(ledger: Ledger) -> None:
    with ledger.take_lease("orders") as lease:
        rejected(ledger, lease, "a")
    ((number, row),) = ledger.rejects_after("orders", Wanted())
    ledger.decide_reject(number, row, {"corrected": "c"}, who="ann", what="correct", detail="")
    ledger.decide_rejects([number], "open", "dismissed", who="bob", what="dismiss", detail="")
    with pytest.raises(RetriableError) as caught:
        ledger.decide_reject(number, row, {"corrected": "d"}, who="ann", what="correct", detail="")
    assert caught.value.code == "reject.changed"
    ((_number, now),) = ledger.rejects_after("orders", Wanted())
    assert (now.corrected, now.state) == ("c", "dismissed")


def test_claimed_rejects_outlive_their_time(ledger: Ledger) -> None:
    from datetime import timedelta

    from dragoman.core import clock

    later = clock.now() + timedelta(days=1)
    with ledger.take_lease("orders") as lease:
        claimed, other = rejected(ledger, lease, "a"), rejected(ledger, lease, "b")
        replayed(ledger, lease, ledger.replayable("orders", Wanted(code="a")))
    assert ledger.runs_with_claims("orders") == {claimed.run_id}
    assert ledger.rejected_before("orders", later) == [other.run_id]
    assert claimed.run_id not in ledger.closed_before("orders", later)
