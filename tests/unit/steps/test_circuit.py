"""Who counts as down, and that an error is counted once, where it happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.core.connection import parse_connection
from dragoman.core.errors import DOWN, THROTTLED, ConfigError, FatalError, RetriableError
from dragoman.ledger.breakers import CircuitLimits
from dragoman.ledger.ledger import Ledger, open_ledger
from dragoman.steps.circuit import WatchedConnections, limits_of


class Store:
    def get(self, conn_id: str):
        return parse_connection(conn_id, "postgresql://127.0.0.1/x")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


@pytest.fixture
def store(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> WatchedConnections:
    monkeypatch.setenv("DRAGOMAN_BREAKER", "failures=2,pause=50")
    return WatchedConnections(Store(), ledger)


def outage(code: str = "postgres.unreachable", outage: str = DOWN) -> RetriableError:
    return RetriableError(code, "it does not answer", outage=outage)


def use(store: WatchedConnections, error: Exception | None = None) -> None:
    if error is None:
        with store.in_use("dwh", "postgres"):
            return
    with pytest.raises(type(error)), store.in_use("dwh", "postgres"):
        raise error


def state(ledger: Ledger) -> str:
    found = ledger.circuit("dwh")
    return "none" if found is None else f"{found.state} {found.failures} {found.throttled}"


def test_outages_open_it_and_the_next_run_is_refused(store: WatchedConnections, ledger: Ledger) -> None:
    first = outage()
    use(store, first)
    assert first.connection == "dwh"
    use(store, outage())
    assert state(ledger) == "open 2 0"
    with pytest.raises(RetriableError) as caught, store.in_use("dwh", "postgres"):
        raise AssertionError("the connection was used")
    assert caught.value.code == "connection.circuit_open"
    assert state(ledger) == "open 2 0"


@pytest.mark.parametrize(
    "error",
    [
        FatalError("postgres.no_table", "none"),
        RetriableError("postgres.40001", "a conflict"),
        ConfigError("postgres.option", "no"),
        outage("stage.disk_full"),
        outage("http.unreachable"),
        FatalError("run.held", "too many rejects"),
        ValueError("a fault of ours"),
    ],
    ids=lambda error: getattr(error, "code", "other"),
)
def test_what_is_no_outage_of_this_connector_does_not_count(
    error: Exception, store: WatchedConnections, ledger: Ledger
) -> None:
    use(store, error)
    assert state(ledger) == "none"


def test_an_answer_that_says_no_ends_the_row_of_failures(store: WatchedConnections, ledger: Ledger) -> None:
    use(store, outage())
    use(store, FatalError("postgres.no_table", "there is no such table"))
    assert state(ledger) == "closed 0 0"


def test_success_ends_the_row_of_failures(store: WatchedConnections, ledger: Ledger) -> None:
    use(store, outage())
    use(store)
    assert state(ledger) == "closed 0 0"


def test_an_error_passes_two_connections_and_counts_at_the_first(store: WatchedConnections, ledger: Ledger) -> None:
    with (
        pytest.raises(RetriableError),
        store.in_use("destination", "postgres"),
        store.in_use("source", "postgres"),
    ):
        raise outage()
    assert [row.connection for row in ledger.circuits()] == ["source"]


def test_throttling_is_counted_apart(store: WatchedConnections, ledger: Ledger) -> None:
    for _ in range(4):
        use(store, outage("postgres.53300", THROTTLED))
    assert state(ledger) == "closed 0 4"


def test_an_interrupted_probe_gives_its_claim_back(store: WatchedConnections, ledger: Ledger) -> None:
    use(store, outage())
    use(store, outage())
    with ledger._db.write() as connection:
        connection.exec_driver_sql("UPDATE dragoman_breaker SET until = 0")
    with pytest.raises(KeyboardInterrupt), store.in_use("dwh", "postgres"):
        assert state(ledger) == "half_open 2 0"
        raise KeyboardInterrupt
    assert state(ledger) == "open 2 0"
    use(store)
    assert state(ledger) == "closed 0 0"


def test_it_can_be_switched_off(store: WatchedConnections, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_BREAKER", "off")
    for _ in range(9):
        use(store, outage())
    assert state(ledger) == "none"


@pytest.mark.parametrize("text", ["on", "failures", "failures=0", "failures=1.5", "pause=-1", "pause=x", "hours=3"])
def test_a_setting_that_is_not_understood_is_told(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        limits_of(text)
    assert caught.value.code == "breaker.setting"
    assert text in caught.value.message


def test_settings_are_read() -> None:
    assert limits_of("") == CircuitLimits()
    assert limits_of("off") is None
    assert limits_of("failures=3, pause=0.5,longest=2") == CircuitLimits(failures=3, pause=0.5, longest=2)
