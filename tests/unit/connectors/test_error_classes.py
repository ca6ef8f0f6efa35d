"""What each system's errors mean to the runner: tried again or not, and whether the system as a whole is down."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import duckdb
import psycopg
import pytest

from dragoman.connectors._http.statuses import error_of
from dragoman.connectors.duckdb.session import explain as explain_duckdb
from dragoman.connectors.postgres.session import connect, explain
from dragoman.connectors.sqlite.session import explain as explain_sqlite
from dragoman.core import clock
from dragoman.core.connection import parse_connection
from dragoman.core.errors import DOWN, THROTTLED, FatalError, RetriableError
from dragoman.core.patience import BUDGET, Patience

DOWN_STATES = ["08000", "08003", "08006", "08P01", "57P01", "57P02", "57P03", "53300"]
PASSING_STATES = ["40001", "40P01", "55P03", "55006", "53100", "53200", "57014", "57P05", "25P03"]
HOPELESS_STATES = ["22001", "22P02", "23502", "23505", "25006", "2BP01", "42501", "42601", "42P01", "57P04", "0A000"]


@pytest.mark.parametrize("state", DOWN_STATES + PASSING_STATES + HOPELESS_STATES)
def test_postgres_by_its_sqlstate(postgres: str, state: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as server, pytest.raises(psycopg.Error) as caught:
        server.execute(f"DO $$ BEGIN RAISE EXCEPTION 'told' USING ERRCODE = '{state}'; END $$")
    error = explain(caught.value, "doing")
    if state in HOPELESS_STATES:
        assert isinstance(error, FatalError)
    else:
        assert isinstance(error, RetriableError)
        assert error.outage == (DOWN if state in DOWN_STATES else "")
        assert error.code == f"postgres.{state}"


def test_postgres_that_ends_a_connection_is_down(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as other:
        server = psycopg.connect(postgres, autocommit=True)
        other.execute("SELECT pg_terminate_backend(%s)", (server.info.backend_pid,))
        with pytest.raises(psycopg.Error) as caught:
            server.execute("SELECT 1")
    error = explain(caught.value, "doing")
    assert isinstance(error, RetriableError)
    assert error.outage == DOWN


def test_postgres_without_a_free_connection_is_down_and_a_wrong_database_is_not(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute("DROP ROLE IF EXISTS crowded")
        server.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    try:
        with pytest.raises(RetriableError) as full:
            connect(parse_connection("dwh", postgres.replace("dragoman@", "crowded@")))
        assert full.value.outage == DOWN
        assert "too many connections" in full.value.message
    finally:
        with psycopg.connect(postgres, autocommit=True) as server:
            server.execute("DROP ROLE crowded")
    with pytest.raises(FatalError):
        connect(parse_connection("dwh", postgres.rpartition("/")[0] + "/no_such_database"))


def test_sqlite_that_is_busy_passes_and_is_not_down(tmp_path: Path) -> None:
    writer = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    writer.execute("CREATE TABLE t (x)")
    writer.execute("BEGIN IMMEDIATE")
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None, timeout=0.01)
    with pytest.raises(sqlite3.Error) as caught:
        other.execute("BEGIN IMMEDIATE")
    error = explain_sqlite(caught.value, "doing")
    assert isinstance(error, RetriableError)
    assert (error.code, error.outage) == ("sqlite.busy", "")
    with pytest.raises(sqlite3.Error) as wrong:
        other.execute("SELECT * FROM nowhere")
    assert isinstance(explain_sqlite(wrong.value, "doing"), FatalError)


def test_duckdb_that_is_locked_or_in_conflict_passes(tmp_path: Path) -> None:
    lock = duckdb.IOException("IO Error: Could not set lock on file: held by another process")
    assert explain_duckdb(lock, "opening").code == "duckdb.busy"
    base = duckdb.connect(str(tmp_path / "x.duckdb"))
    base.execute("CREATE TABLE t AS SELECT 1 AS x")
    first, second = base.cursor(), base.cursor()
    first.begin()
    second.begin()
    first.execute("UPDATE t SET x = 2")
    with pytest.raises(duckdb.Error) as caught:
        second.execute("UPDATE t SET x = 3")
    error = explain_duckdb(caught.value, "doing")
    assert isinstance(error, RetriableError)
    assert error.outage == ""
    with pytest.raises(duckdb.Error) as wrong:
        base.execute("SELECT * FROM nowhere")
    assert isinstance(explain_duckdb(wrong.value, "doing"), FatalError)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 599])
def test_http_that_may_pass(status: int) -> None:
    error = error_of(status, "https://x/y", "", 7.0)
    assert isinstance(error, RetriableError)
    assert error.outage == (THROTTLED if status == 429 else DOWN)
    assert error.retry_after == 7.0


@pytest.mark.parametrize("status", [304, 400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 451, 501])
def test_http_that_will_not_pass(status: int) -> None:
    assert isinstance(error_of(status, "https://x/y", "", None), FatalError)


def test_waits_and_slow_answers_together_stay_within_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    monkeypatch.setattr(clock, "random_fraction", lambda: 1.0)
    patience, waited = Patience(), 0.0
    now[0] += 60.0  # the request has timed out
    while (wait := patience.next_wait(None)) is not None:
        waited += wait
        now[0] += wait + 60.0
        assert now[0] - 60.0 <= BUDGET  # when the last try began
    assert patience.tries == 2


def test_waits_are_spread_over_their_whole_length(monkeypatch: pytest.MonkeyPatch) -> None:
    for chance in (0.0, 0.5, 1.0):
        monkeypatch.setattr(clock, "random_fraction", lambda chance=chance: chance)
        patience = Patience()
        assert [patience.next_wait(None) for _ in range(5)] == [chance * 0.25 * 2**at for at in range(5)]


def test_a_lock_that_is_given_back_is_waited_for(tmp_path: Path) -> None:
    from dragoman.connectors.sqlite.session import connect as connect_sqlite

    holder = sqlite3.connect(tmp_path / "x.db", isolation_level=None, check_same_thread=False)
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN IMMEDIATE")
    free = threading.Timer(0.2, holder.execute, ("COMMIT",))
    free.start()
    mine = connect_sqlite(parse_connection("lite", f"sqlite:///{tmp_path / 'x.db'}"))
    mine.execute("BEGIN IMMEDIATE")
    mine.execute("ROLLBACK")
    free.join()
