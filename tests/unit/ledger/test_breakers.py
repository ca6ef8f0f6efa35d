"""The circuit breakers, on SQLite and on PostgreSQL: failures in a row open, one probe decides, a dead probe expires."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from dragoman.core import clock
from dragoman.core.errors import ConfigError, RetriableError
from dragoman.ledger import breakers, tables
from dragoman.ledger.breakers import CLAIM_SECONDS, CircuitLimits, Passage
from dragoman.ledger.ledger import Ledger
from dragoman.ledger.rows import CircuitRow

LIMITS = CircuitLimits(failures=3, throttled=5, pause=60, longest=200)


def fail(ledger: Ledger, times: int = 1, **more: object) -> CircuitRow:
    for _ in range(times):
        row = ledger.note_outage("dwh", "postgres.unreachable", "refused", limits=LIMITS, **more)  # type: ignore[arg-type]
    return row


def seconds_left(ledger: Ledger) -> float:
    query = sa.select(tables.breaker.c.until - ledger._db.now())
    with ledger._db.read() as connection:
        return float(connection.execute(query).scalar_one())


def let_time_pass(ledger: Ledger) -> None:
    with ledger._db.write() as connection:
        connection.execute(tables.breaker.update().values(until=ledger._db.now() - 1.0))


def refused(ledger: Ledger, connection: str = "dwh") -> RetriableError:
    with pytest.raises(RetriableError) as caught:
        ledger.pass_circuit(connection, "another")
    assert caught.value.code == "connection.circuit_open"
    return caught.value


def test_a_connection_that_never_failed_costs_no_write(ledger: Ledger) -> None:
    assert ledger.pass_circuit("dwh", "me") == Passage()
    assert ledger.circuits() == []


def test_failures_in_a_row_open_and_an_answer_between_them_does_not(ledger: Ledger) -> None:
    assert fail(ledger, 2).state == "closed"
    assert ledger.pass_circuit("dwh", "me") == Passage(marked=True)
    ledger.note_answer("dwh")
    assert fail(ledger, 2).state == "closed"
    opened = fail(ledger)
    assert (opened.state, opened.failures, opened.openings) == ("open", 3, 1)
    assert opened.since is not None
    assert 55 < seconds_left(ledger) <= 60


def test_who_is_refused_learns_why_and_until_when(ledger: Ledger) -> None:
    opened = fail(ledger, 3)
    error = refused(ledger)
    assert error.connection == "dwh"
    assert f"{clock.moment_of(opened.until):%H:%M:%S} UTC" in error.message
    assert "3 times in a row" in error.message
    assert "refused" in error.message
    assert error.retry_after is not None
    assert 56 < error.retry_after < 80
    assert "dragoman connections reset dwh" in error.next_step
    assert ledger.pass_circuit("other", "me") == Passage()


def test_throttling_opens_only_when_it_persists(ledger: Ledger) -> None:
    assert fail(ledger, 4, throttled=True).state == "closed"
    assert fail(ledger, 2).state == "closed"  # two outages and four refusals: neither is over its own limit
    opened = fail(ledger, throttled=True, asked=90.0)
    assert (opened.state, opened.failures, opened.throttled) == ("open", 2, 5)
    assert 85 < seconds_left(ledger) <= 90


def test_one_of_many_becomes_the_probe(ledger: Ledger) -> None:
    fail(ledger, 3)
    let_time_pass(ledger)
    probes: list[str] = []
    barrier = threading.Barrier(6)

    def ask(name: str) -> None:
        barrier.wait()
        try:
            probes.append(ledger.pass_circuit("dwh", name).probe)
        except RetriableError as error:
            assert "tried by one other process" in error.message

    threads = [threading.Thread(target=ask, args=(f"p{at}",)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(probes) == 1
    (row,) = ledger.circuits()
    assert (row.state, row.probe) == ("half_open", probes[0])


def test_a_probe_that_fails_doubles_the_pause_up_to_its_limit(ledger: Ledger) -> None:
    first = fail(ledger, 3)
    for turn, wanted in enumerate([120, 200, 200]):
        let_time_pass(ledger)
        assert ledger.pass_circuit("dwh", f"p{turn}").probe == f"p{turn}"
        row = fail(ledger, probe=f"p{turn}")
        assert (row.state, row.openings, row.since) == ("open", turn + 2, first.since)
        assert wanted - 5 < seconds_left(ledger) <= wanted


def test_a_late_failure_of_a_run_that_began_before_neither_decides_nor_prolongs(ledger: Ledger) -> None:
    fail(ledger, 3)
    until = fail(ledger).until
    assert ledger.circuit("dwh").until == until  # type: ignore[union-attr]
    let_time_pass(ledger)
    ledger.pass_circuit("dwh", "probe")
    assert fail(ledger).state == "half_open"


def test_a_probe_that_succeeds_closes(ledger: Ledger) -> None:
    fail(ledger, 3)
    let_time_pass(ledger)
    assert ledger.pass_circuit("dwh", "p").probe == "p"
    ledger.note_answer("dwh")
    (row,) = ledger.circuits()
    assert (row.state, row.failures, row.openings, row.since) == ("closed", 0, 0, None)
    assert row.code == "postgres.unreachable"  # what failed last stays to be seen
    assert ledger.pass_circuit("dwh", "q") == Passage()


def test_the_claim_of_a_killed_probe_expires(ledger: Ledger) -> None:
    fail(ledger, 3)
    let_time_pass(ledger)
    ledger.pass_circuit("dwh", "killed")
    assert CLAIM_SECONDS - 5 < seconds_left(ledger) <= CLAIM_SECONDS
    refused(ledger)
    let_time_pass(ledger)
    assert ledger.pass_circuit("dwh", "next").probe == "next"
    assert fail(ledger, probe="killed").state == "half_open"  # it was alive after all, and no longer decides
    ledger.give_back("dwh", "killed")
    assert ledger.circuit("dwh").probe == "next"  # type: ignore[union-attr]


def test_a_probe_that_learnt_nothing_gives_the_claim_back(ledger: Ledger) -> None:
    fail(ledger, 3)
    let_time_pass(ledger)
    ledger.pass_circuit("dwh", "p")
    ledger.give_back("dwh", "p")
    assert ledger.circuit("dwh").openings == 1  # type: ignore[union-attr]
    assert ledger.pass_circuit("dwh", "q").probe == "q"


def test_a_person_closes_a_circuit_and_the_audit_says_who(ledger: Ledger) -> None:
    fail(ledger, 3)
    ledger.reset_circuit("dwh", "ada@cli")
    assert ledger.pass_circuit("dwh", "me") == Passage()
    (audit,) = ledger.audits("")
    assert (audit.who, audit.what) == ("ada@cli", "circuit")
    assert audit.detail == "dwh: open -> closed after 3 failures, the last postgres.unreachable"
    with pytest.raises(ConfigError, match="nothing to reset"):
        ledger.reset_circuit("dwhh", "ada@cli")


def test_failures_at_the_same_moment_all_count(ledger: Ledger) -> None:
    threads = [threading.Thread(target=fail, args=(ledger,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (row,) = ledger.circuits()
    assert (row.state, row.failures, row.openings) == ("open", 8, 1)


def test_the_pause_never_passes_its_limit() -> None:
    assert breakers.CircuitLimits().rest(1, None) == 60
    assert breakers.CircuitLimits().rest(3, None) == 240
    assert breakers.CircuitLimits().rest(1_000, 1e9) == 900
