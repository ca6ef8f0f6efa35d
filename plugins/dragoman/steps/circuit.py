"""The circuit breaker at work: every connection that a step opens is asked for first, and how it went is noted.

What counts is said by the connectors (``RetriableError.outage``): an outage, or being throttled; never a record, a
mistake in a file, a lock, or a full disk. An error is counted once, at the connection whose connector raised it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

from dragoman.core import clock
from dragoman.core.connection import Connection, ConnectionStore
from dragoman.core.errors import THROTTLED, ConfigError, DragomanError, RetriableError
from dragoman.core.failpoints import failpoint
from dragoman.ledger.breakers import CircuitLimits, Passage
from dragoman.ledger.ledger import Ledger

__all__ = ["SETTING", "WatchedConnections", "limits_of"]

SETTING = "DRAGOMAN_BREAKER"


class WatchedConnections:
    """A store of connections, each with its circuit in the ledger."""

    def __init__(self, connections: ConnectionStore, ledger: Ledger) -> None:
        self._connections = connections
        self._ledger = ledger

    def get(self, conn_id: str) -> Connection:
        """The connection, whatever its circuit says."""
        return self._connections.get(conn_id)

    @contextmanager
    def in_use(self, conn_id: str, connector: str) -> Iterator[None]:
        """While a connector uses a connection.

        Raises:
            RetriableError: ``connection.circuit_open``, before anything is done.
        """
        limits = limits_of(os.environ.get(SETTING, ""))
        if limits is None or not conn_id:
            yield
            return
        passage = self._ledger.pass_circuit(conn_id, clock.new_run_id())
        if passage.probe:
            failpoint("circuit.claimed")
        answered = False
        try:
            yield
            answered = True
        except DragomanError as error:
            answered = self._judge(error, conn_id, connector, passage, limits)
            raise
        finally:
            if answered and passage.marked:
                self._ledger.note_answer(conn_id)
            elif passage.probe:
                self._ledger.give_back(conn_id, passage.probe)

    def _judge(
        self, error: DragomanError, conn_id: str, connector: str, passage: Passage, limits: CircuitLimits
    ) -> bool:
        """Whether the peer answered, though not as wished; an outage is noted."""
        if error.connection or error.code.partition(".")[0] != connector:
            return False
        error.connection = conn_id
        if not isinstance(error, RetriableError):
            return True
        if error.outage:
            self._ledger.note_outage(
                conn_id,
                error.code,
                error.message,
                throttled=error.outage == THROTTLED,
                asked=error.retry_after,
                probe=passage.probe,
                limits=limits,
            )
        return False


def limits_of(text: str) -> CircuitLimits | None:
    """The limits of ``DRAGOMAN_BREAKER``: ``off`` (None), or such as ``failures=5,throttled=15,pause=60,longest=900``.

    What is not named has its default. ``pause`` and ``longest`` are seconds.
    ``ConfigError`` ``breaker.setting`` for anything else.
    """
    if text.strip() == "off":
        return None
    known = {one.name: one.type for one in fields(CircuitLimits)}
    given: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if name not in known or not 0 < number < 1e9 or (known[name] == "int" and number % 1):
            raise ConfigError(
                "breaker.setting",
                f"{SETTING}={text} is not understood at {part!r}",
                next_step=f"off, or numbers above 0 as in {SETTING}=failures=5,throttled=15,pause=60,longest=900",
            )
        given[name] = number
    limits = {name: int(number) if known[name] == "int" else number for name, number in given.items()}
    return CircuitLimits(**limits)  # type: ignore[arg-type]
