"""What one alert must say, by its kind, beyond the shape of its keys."""

from __future__ import annotations

import re

from dragoman.language.context import Context
from dragoman.language.settings import Alert
from dragoman.language.words import BROKEN, shown

__all__ = ["check_alerts"]

_ADDRESS = re.compile(r"[^\s@<>,;:\"\\]+@[^\s@<>,;:\"\\]+")


def check_alerts(context: Context, alerts: list[Alert], *, deadline: bool) -> None:
    """Tell what is lacking. Nothing is said of a file whose keys are wrong already: its places would not fit."""
    if context.reading.problems:
        return
    for at, alert in enumerate(alerts):
        if alert.notifier == "email":
            _mail(context, at, alert)
        elif alert.notifier == "webhook":
            _webhook(context, at, alert)
        if "late" in alert.on and not deadline:
            place = ("alerts", at, "on")
            context.add(place, "alerts.no_deadline", "late without a deadline", "policy: {deadline: 30m} in this file")


def _mail(context: Context, at: int, alert: Alert) -> None:
    if not alert.to:
        context.add(("alerts", at), "alerts.no_receiver", "a mail to nobody", "to: [ops@example.com]", key=True)
    for number, address in enumerate(alert.to):
        if address != BROKEN and not _ADDRESS.fullmatch(address):
            place = ("alerts", at, "to", number)
            context.add(place, "alerts.address", f"{shown(address)} in to", "an address such as ops@example.com")


def _webhook(context: Context, at: int, alert: Alert) -> None:
    if not alert.connection:
        expected = "connection: the id of an Airflow connection of type http, which holds the address and the secret"
        context.add(("alerts", at), "alerts.no_connection", "a webhook without a connection", expected, key=True)
    if alert.to:
        place = ("alerts", at, "to")
        context.add(place, "alerts.no_to", "to in a webhook", "an address in the connection", key=True)
