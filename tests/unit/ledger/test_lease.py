"""Leases and fencing, on both databases, among real processes and threads."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from dragoman.core.errors import FatalError, RetriableError
from dragoman.ledger import lease as lease_module
from dragoman.ledger import tables
from dragoman.ledger.ledger import Ledger, open_ledger
from dragoman.stage.store import Sealed

HOLD = """
import sys
from dragoman.ledger.ledger import open_ledger
lease = open_ledger(sys.argv[1]).take_lease("orders")
print(lease.token, flush=True)
sys.stdin.read()
lease.release()
"""
COUNT_UP = """
import sys
from dragoman.ledger import lease
from dragoman.ledger.ledger import open_ledger
lease._ASK_EVERY = 0.01
ledger = open_ledger(sys.argv[1])
for _ in range(5):
    with ledger.take_lease("orders", wait=60) as lease:
        print(lease.token, flush=True)
"""
SEALED = Sealed(path="p", sha256="a" * 64, rows=1, size=1)


def change_lease(ledger: Ledger, **values: object) -> None:
    with ledger._db.write() as connection:
        connection.execute(tables.lease.update().values(values))


def test_tokens_rise_strictly(ledger: Ledger) -> None:
    tokens = []
    for floor in (0, 0, 41, 7):
        lease = ledger.take_lease("orders", floor=floor)
        tokens.append(lease.token)
        lease.release()
    assert tokens == [1, 2, 42, 43]
    assert ledger.take_lease("customers").token == 1


def test_a_second_taker_in_this_process_is_refused(ledger: Ledger) -> None:
    with ledger.take_lease("orders"):
        caught: list[RetriableError] = []

        def take() -> None:
            try:
                ledger.take_lease("orders")
            except RetriableError as error:
                caught.append(error)

        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
    assert [error.code for error in caught] == ["lease.held"]
    ledger.take_lease("orders").release()


def test_a_living_holder_is_named_and_a_killed_one_replaced_at_once(ledger: Ledger) -> None:
    ledger_url = ledger._db.url.render_as_string(hide_password=False)
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, ledger_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    token = int(child.stdout.readline())
    with pytest.raises(RetriableError) as caught:
        ledger.take_lease("orders")
    assert caught.value.code == "lease.held"
    for part in (f"process {child.pid}", "since 2", "UTC"):
        assert part in caught.value.message
    assert f"kill {child.pid}" in caught.value.next_step
    child.send_signal(signal.SIGKILL)
    assert child.stdout.read() == ""  # the pipe ends with the process, which nobody has waited for yet: it is a zombie
    assert ledger.take_lease("orders").token == token + 1
    child.wait()
    child.stdin.close()  # type: ignore[union-attr]
    child.stdout.close()


def test_a_pid_that_was_given_again_is_not_the_holder(ledger: Ledger) -> None:
    ledger.take_lease("orders")
    change_lease(ledger, started="1")
    assert ledger.take_lease("orders").token == 2


def test_another_hosts_lease_expires_by_the_databases_clock(ledger: Ledger) -> None:
    lease = ledger.take_lease("orders")
    change_lease(ledger, machine="other-boot/pid:[1]", host="worker-7")
    with pytest.raises(RetriableError) as caught:
        ledger.take_lease("orders")
    assert "worker-7" in caught.value.message
    assert "expires in 60 s" in caught.value.next_step or "expires in 59 s" in caught.value.next_step
    assert caught.value.retry_after in {60.0, 61.0}
    change_lease(ledger, expires_at=ledger._db.now() - 1.0)
    lease.renew()
    with pytest.raises(RetriableError):
        ledger.take_lease("orders")
    change_lease(ledger, expires_at=ledger._db.now() - 1.0)
    assert ledger.take_lease("orders").token == 2
    with pytest.raises(FatalError) as lost:
        lease.renew()
    assert lost.value.code == "lease.lost"


def test_a_lease_renews_itself(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "RENEW_EVERY", 0.01)
    renewed = threading.Event()
    with ledger.take_lease("orders") as lease:
        before = expiry(ledger)
        change_lease(ledger, expires_at=0.0)
        original = lease.renew

        def renew() -> None:
            original()
            renewed.set()

        monkeypatch.setattr(lease, "renew", renew)
        renewed.clear()
        assert renewed.wait(10)
        assert expiry(ledger) >= before


def expiry(ledger: Ledger) -> float:
    with ledger._db.read() as connection:
        return float(connection.execute(sa.select(tables.lease.c.expires_at)).scalar_one())


def test_the_token_rises_above_one_that_a_destination_has_seen(ledger: Ledger) -> None:
    with ledger.take_lease("orders") as lease:
        run = ledger.open_run("orders", lease.token, "d")
        lease.raise_above(99)
        assert lease.token == 100
        ledger.record_batch(run.run_id, lease.token, "source", 0, sealed=SEALED)
        lease.renew()
    assert ledger.take_lease("orders").token == 101


def test_who_was_taken_over_changes_nothing_any_more(ledger: Ledger) -> None:
    old = ledger.take_lease("orders")
    run = ledger.open_run("orders", old.token, "d")
    change_lease(ledger, started="1")
    new = ledger.take_lease("orders")
    adopted = ledger.adopt_run(run.run_id, new.token)
    ledger.seal_node(run.run_id, new.token, "source", "source", {"read": 1})
    ledger.prepare_node(run.run_id, new.token, "deliver", "delivery", {"in": 1})
    before = (ledger.run(run.run_id), ledger.nodes(run.run_id))
    late: list[Callable[[], object]] = [
        lambda: ledger.open_run("orders", old.token, "d"),
        lambda: ledger.adopt_run(run.run_id, old.token),
        lambda: ledger.accept_run(run.run_id, old.token),
        lambda: ledger.set_bound(run.run_id, old.token, "source", 1),
        lambda: ledger.repin_run(run.run_id, old.token, "e", keep=()),
        lambda: ledger.record_batch(run.run_id, old.token, "source", 0, sealed=SEALED),
        lambda: ledger.drop_batches(run.run_id, old.token, "source"),
        lambda: ledger.seal_node(run.run_id, old.token, "source", "source", {"read": 2}),
        lambda: ledger.prepare_node(run.run_id, old.token, "deliver", "delivery", {"in": 2}),
        lambda: ledger.finish_node(run.run_id, old.token, "deliver"),
        lambda: ledger.fail_run(run.run_id, old.token, "a.b", "c"),
        lambda: ledger.hold_run(run.run_id, old.token, "run.held", "c", {}),
        lambda: ledger.close_run(run.run_id, old.token, "done", {}, move_cursors=True),
        lambda: ledger.check_token("orders", old.token),
        lambda: old.raise_above(5),
    ]
    for write in late:
        with pytest.raises(FatalError) as caught:
            write()
        assert caught.value.code == "lease.lost"
    old.release()
    ledger.check_token("orders", new.token)
    assert adopted.tries == 2
    assert (ledger.run(run.run_id), ledger.nodes(run.run_id)) == before
    assert len(ledger.runs()) == 1


def test_processes_take_turns(ledger_url: str) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT_UP, ledger_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0, 0], told
    each = [[int(word) for word in out.split()] for out, _err in told]
    assert all(tokens == sorted(tokens) for tokens in each)
    assert sorted(token for tokens in each for token in tokens) == list(range(1, 11))


def test_threads_and_processes_share_one_ledger_object(ledger: Ledger) -> None:
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            with ledger.take_lease(f"i{number}") as lease:
                run = ledger.open_run(f"i{number}", lease.token, "d")
                for seq in range(5):
                    ledger.record_batch(run.run_id, lease.token, "source", seq, sealed=SEALED)
                ledger.close_run(run.run_id, lease.token, "done", {}, move_cursors=True)
        except Exception as error:  # noqa: BLE001 - judged below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(ledger.runs()) == 6
    assert all(len(ledger.batches(run.run_id, "source")) == 5 for run in ledger.runs())


def test_a_new_ledger_is_opened_by_many_at_once(ledger_url: str) -> None:
    errors: list[Exception] = []
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        try:
            open_ledger(ledger_url).close()
        except Exception as error:  # noqa: BLE001 - judged below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
