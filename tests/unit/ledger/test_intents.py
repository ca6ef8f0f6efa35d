"""Intents of item deliveries: one row a request, one a settled batch; nobody writes without the newest token."""

from contextlib import closing
from dataclasses import replace

import pytest

from dragoman.core import clock
from dragoman.core.errors import FatalError
from dragoman.ledger.ledger import IntentRow, open_ledger


def intent(run_id, request, *, batch=0, state="sending"):
    return IntentRow(
        run_id=run_id,
        node="deliver",
        batch=batch,
        request=request,
        rows=f"{request}",
        state=state,
        noted_at=clock.now(),
    )


@pytest.fixture
def run(ledger):
    with ledger.take_lease("orders") as lease:
        opened = ledger.open_run("orders", lease.token, "digest")
        yield opened.run_id, lease.token


def states(ledger, run_id, batch=0):
    return [(row.request, row.state, row.outcomes) for row in ledger.intents(run_id, "deliver", batch)]


def test_outcome_and_next_intent_are_one_write(ledger, run):
    run_id, token = run
    first, second = intent(run_id, 0), intent(run_id, 1)
    ledger.note_requests(token, intent=first)
    assert states(ledger, run_id) == [(0, "sending", "")]
    answered = replace(first, state="answered", outcomes='["r1"]')
    ledger.note_requests(token, answered=answered, intent=second)
    assert states(ledger, run_id) == [(0, "answered", '["r1"]'), (1, "sending", "")]
    assert ledger.intents(run_id, "deliver", 0) == [answered, second]


def test_a_settled_batch_is_one_row(ledger, run):
    run_id, token = run
    for request in range(3):
        ledger.note_requests(token, intent=intent(run_id, request))
    ledger.note_requests(token, intent=intent(run_id, 0, batch=1))
    settled = replace(intent(run_id, 0, state="settled"), rows="", path="a/b", sha256="ff")
    ledger.settle_batch(token, settled)
    assert ledger.intents(run_id, "deliver", 0) == [settled]
    assert states(ledger, run_id, 1) == [(0, "sending", "")]
    assert ledger.nodes_with_intents(run_id) == ["deliver"]


def test_only_the_newest_holder_writes(ledger, run):
    run_id, token = run
    with pytest.raises(FatalError) as caught:
        ledger.note_requests(token - 1, intent=intent(run_id, 0))
    assert caught.value.code == "lease.lost"
    with pytest.raises(FatalError):
        ledger.settle_batch(token - 1, intent(run_id, 0, state="settled"))
    assert ledger.nodes_with_intents(run_id) == []


def test_a_run_by_another_copy_begins_anew(ledger, run):
    run_id, token = run
    ledger.note_requests(token, intent=intent(run_id, 0))
    ledger.repin_run(run_id, token, "other", keep=("source",))
    assert ledger.nodes_with_intents(run_id) == []


def test_what_is_forgotten_with_its_run_is_gone(ledger, run):
    run_id, token = run
    ledger.note_requests(token, intent=intent(run_id, 0))
    ledger.close_run(run_id, token, "done", {}, move_cursors=False)
    assert ledger.forget_runs([run_id]) == 1
    assert ledger.nodes_with_intents(run_id) == []


def test_only_what_may_be_sent_again_does_not_wait_for_the_disk(tmp_path):
    with closing(open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")) as opened:
        for wanted, options in ((2, {}), (1, {"lazy": True}), (2, {}), (2, {"lazy": False})):
            with opened._db.write(**options) as connection:
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == wanted


def test_postgres_is_told_not_to_wait_for_one_transaction_only(postgres_ledger):
    with postgres_ledger._db.write(lazy=True) as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "off"
        reset = "SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'"
        usual = connection.exec_driver_sql(reset).scalar()
    with postgres_ledger._db.write() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == usual


@pytest.mark.parametrize("lazy", [True, False])
def test_a_write_that_does_not_wait_is_there_for_others(ledger, run, lazy):
    run_id, token = run
    ledger.note_requests(token, intent=intent(run_id, 0), lazy=lazy)
    assert states(ledger, run_id) == [(0, "sending", "")]
