"""Who is told of what: each kind once per run and receiver, and nothing forgotten that could not be sent.

The kinds: *red* (one of failed, held, in_doubt), *late*, *rejects* (of a green run), *recovered* (the first green run
after a red one). What fails because a connection's circuit is open is one incident of it (``incidents.py``). What is to
be told is written into the ledger first (``note_…``), then sent (``tell_again``); what could not be sent is tried again
by the integration's next callback and by housekeeping.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from dragoman.core import clock
from dragoman.core.errors import ConfigError, DragomanError
from dragoman.ledger.ledger import Ledger
from dragoman.ledger.rows import NoticeRow
from dragoman.orchestration.incidents import end_incidents, note_incident, open_circuit_of
from dragoman.orchestration.news import GREEN, Happening, event_of, find_run, message_of
from dragoman.orchestration.notifiers import MailNotifier, Message, WebhookNotifier

__all__ = ["note_failure", "note_late", "note_success", "tell_again", "tell_without_ledger"]

Alert = Mapping[str, Any]

_LOG = logging.getLogger(__name__)
_PATIENCE = 12.0
"""Seconds after which no further message is begun: Airflow ends a task's process 20 s after the task."""


def note_failure(ledger: Ledger, seen: Happening, alerts: Sequence[Alert]) -> None:
    """A task has failed for good: failed, held or in doubt, whichever the ledger says."""
    run = find_run(ledger, seen)
    circuit = open_circuit_of(ledger, run, seen)
    if circuit is not None:
        note_incident(ledger, circuit, seen, alerts, _notices)
        return
    event = event_of(run)
    if event not in {"failed", "held", "in_doubt"}:
        event = "failed"  # the run is green in the ledger, and its task died after that
    message = message_of(ledger, run, seen, event)
    subject = run.run_id if run is not None else seen.trigger
    ledger.note(seen.integration, subject, "red", event, _notices("red", subject, message, alerts))


def note_success(ledger: Ledger, seen: Happening, alerts: Sequence[Alert]) -> None:
    """A run is closed: its rejects are told, and that the integration has recovered (which only a live run shows)."""
    run = find_run(ledger, seen)
    if run is not None and run.closed_at is not None and run.state in GREEN:
        if run.figures.get("rejected"):
            message = message_of(ledger, run, seen, "rejects")
            notices = _notices("rejects", run.run_id, message, alerts)
            ledger.note(seen.integration, run.run_id, "rejects", "rejects", notices)
        red = ledger.red_before(seen.integration, run.closed_at) if run.live else []
        if red:
            reason = f"the first green run after {', '.join(red[-3:])}"
            message = message_of(ledger, run, seen, "recovered", reason)
            notices = _notices("recovered", run.run_id, message, alerts)
            ledger.note_recovery(seen.integration, run.run_id, run.closed_at, notices)


def note_late(ledger: Ledger, seen: Happening, alerts: Sequence[Alert]) -> None:
    """A DAG run has passed its deadline: its run is marked, now or when it opens, and whoever wants to know is told."""
    run = find_run(ledger, seen)
    subject = run.run_id if run is not None else seen.trigger
    message = message_of(ledger, run, seen, "late")
    ledger.note(seen.integration, subject, "late", "late", _notices("late", subject, message, alerts))
    if run is not None:
        ledger.mark_late(run.run_id)


def tell_again(ledger: Ledger, integration: str | None = None) -> int:
    """Send what is not told yet, of one integration or of all; returns how many were told.

    A receiver that fails once is left alone for the rest of this call.
    """
    end_incidents(ledger)
    until = clock.monotonic() + _PATIENCE
    silent: set[str] = set()
    told = 0
    for notice in ledger.untold(integration):
        if clock.monotonic() >= until:
            break
        if notice.target in silent or not ledger.claim(notice):
            continue
        error = _sent(notice.receiver, msgspec.convert(notice.message, Message))
        ledger.settle(notice, error)
        if error:
            silent.add(notice.target)
        else:
            told += 1
    return told


def tell_without_ledger(seen: Happening, alerts: Iterable[Alert]) -> None:
    """A task has failed and the ledger cannot be asked: tell what Airflow says, though it may come once per task."""
    message = message_of(None, None, seen, "failed")
    for alert in _wanting("failed", alerts):
        _sent(_receiver(alert), message)


def _notices(kind: str, subject: str, message: Message, alerts: Iterable[Alert]) -> list[NoticeRow]:
    return [
        NoticeRow(
            integration=message.integration,
            subject=subject,
            kind=kind,
            target=_target(alert),
            event=message.event,
            receiver=_receiver(alert),
            message=msgspec.to_builtins(message),
        )
        for alert in _wanting(message.event, alerts)
    ]


def _wanting(event: str, alerts: Iterable[Alert]) -> list[Alert]:
    """One alert for each receiver that wants to know of the event."""
    return list({_target(alert): alert for alert in alerts if event in alert["on"]}.values())


def _receiver(alert: Alert) -> dict[str, Any]:
    return {name: alert[name] for name in ("notifier", "connection", "to") if alert.get(name)}


def _target(alert: Alert) -> str:
    text = "\0".join((alert["notifier"], alert.get("connection") or "", *sorted(alert.get("to") or ())))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _sent(receiver: Alert, message: Message) -> str:
    """Send; what went wrong, or empty. An alert that fails makes no run red."""
    try:
        _notifier(receiver).send(message)
    except DragomanError as error:
        _LOG.error("alert %s of %s was not sent: %s", message.event, message.integration, error)
        return str(error)
    _LOG.info("alert %s of %s was sent (%s)", message.event, message.integration, receiver["notifier"])
    return ""


def _notifier(receiver: Alert) -> MailNotifier | WebhookNotifier:
    if receiver["notifier"] == "email":
        return MailNotifier(to=receiver["to"], conn_id=receiver.get("connection") or "smtp_default")
    if receiver["notifier"] == "webhook":
        return WebhookNotifier(conn_id=receiver["connection"])
    raise ConfigError("alert.notifier", f"there is no notifier {receiver['notifier']!r}", next_step="email or webhook")
