"""Incidents: a connection whose circuit is open is told once to each receiver, not once per integration that needs it.

The runs that fail while it is open are red in Airflow and in the ledger all the same; only their alerts are one. That
the connection works again is told too, to whoever was told of the incident and wants to know (``recovered``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from dragoman.core import clock
from dragoman.core.errors import DragomanError
from dragoman.ledger.ledger import Ledger
from dragoman.ledger.notices import CONNECTION, WAITING
from dragoman.ledger.rows import CircuitRow, NoticeRow, Run
from dragoman.orchestration.news import Happening
from dragoman.orchestration.notifiers import Message

__all__ = ["end_incidents", "note_incident", "open_circuit_of"]

_CODE = "connection.circuit_open"

ToNotices = Callable[[str, str, Message, Sequence[Mapping[str, Any]]], list[NoticeRow]]


def open_circuit_of(ledger: Ledger, run: Run | None, seen: Happening) -> CircuitRow | None:
    """The open circuit that made a task fail, or None.

    The exception names its connection; where a killed task leaves none, the run's error does.
    """
    named = seen.exception.connection if isinstance(seen.exception, DragomanError) else ""
    said = run.error if run is not None and run.error_code == _CODE and seen.exception is None else ""
    if not named and not said:
        return None
    for circuit in ledger.circuits():
        mine = circuit.connection == named if named else f"connection {circuit.connection!r}" in said
        if mine and circuit.state != "closed":
            return circuit
    return None


def note_incident(
    ledger: Ledger, circuit: CircuitRow, seen: Happening, alerts: Sequence[Mapping[str, Any]], to_notices: ToNotices
) -> None:
    """Keep the incident, and who of these receivers is told of it now and at its end."""
    subject = _subject(circuit)
    name = CONNECTION + circuit.connection
    failed = Message(
        event="failed",
        integration=name,
        title=f"{seen.integration} and all others that use it fail until it works again; this is told once",
        run_id=subject,
        state=circuit.state,
        reason=f"{circuit.failures + circuit.throttled} failures in a row, the last: {circuit.error} [{circuit.code}]",
        next_step=f"dragoman connectors test {circuit.connection}; dragoman connections shows when it is tried again",
        at=clock.now().isoformat(timespec="seconds"),
    )
    recovered = msgspec.structs.replace(
        failed,
        event="recovered",
        title="",
        state="closed",
        reason=f"it works again after {circuit.error}",
        next_step="nothing to do: the integrations that use it go on where they stopped",
    )
    notices = to_notices("red", subject, failed, alerts)
    notices += [replace(notice, state=WAITING) for notice in to_notices("recovered", subject, recovered, alerts)]
    ledger.note(name, subject, "red", "failed", notices)


def end_incidents(ledger: Ledger) -> None:
    """Whatever is closed by now, or has opened anew since, is over."""
    for connection, subject in ledger.open_incidents():
        circuit = ledger.circuit(connection)
        if circuit is None or circuit.state == "closed" or _subject(circuit) != subject:
            ledger.end_incident(connection, subject, clock.now().isoformat(timespec="seconds"))


def _subject(circuit: CircuitRow) -> str:
    """What tells one incident from the next: when its circuit opened."""
    return f"since {circuit.since:%Y-%m-%dT%H:%M:%S.%fZ}" if circuit.since is not None else "since unknown"
