"""One message: what happened to which run, in words for a person and as JSON for a program."""

from __future__ import annotations

import hashlib
from html import escape
from typing import Any

import msgspec

__all__ = ["EVENTS", "FIGURES", "Message"]

EVENTS = {
    "failed": "has failed",
    "late": "is late",
    "held": "is held",
    "rejects": "has rejected records",
    "in_doubt": "is in doubt",
    "recovered": "has recovered",
    "done": "is done",
}
"""What can be told, and the words of the subject line; ``done`` only by a notifier in someone's own DAG."""

FIGURES = ("read", "delivered", "rejected", "filtered", "in_doubt")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run at the moment when something happened to it."""

    event: str
    integration: str
    title: str = ""
    run_id: str = ""
    """The run in the ledger; empty where none was opened, or where the ledger could not be asked."""
    dag_id: str = ""
    dag_run_id: str = ""
    state: str = ""
    figures: dict[str, int] = {}
    """The five figures so far; empty where they are not known."""
    reason: str = ""
    """The first reason, in one sentence. It may quote a value, and never holds a whole record."""
    next_step: str = ""
    """A command, or what else a person can do."""
    run_link: str = ""
    figures_link: str = ""
    at: str = ""
    """When it happened, ISO 8601 in UTC."""

    @property
    def id(self) -> str:
        """The same for every copy of this message, so that a receiver can drop one that comes twice."""
        key = "\0".join((self.integration, self.run_id or f"{self.dag_id}/{self.dag_run_id}", self.event))
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    @property
    def subject(self) -> str:
        """One line."""
        return f"{self.integration} {EVENTS.get(self.event, self.event)}"

    @property
    def text(self) -> str:
        """All of it as plain text."""
        parts = ["\n".join([f"{self.subject}.", *([self.title] if self.title else [])])]
        parts.append("\n".join(f"{name}: {value}" for name, value in self._facts()))
        parts.append("\n".join(f"{name}: {link}" for name, link in self._links()))
        return "\n\n".join(part for part in parts if part) + "\n"

    @property
    def html(self) -> str:
        """All of it as HTML; whatever came from a system is escaped."""
        rows = "".join(
            f'<tr><td style="padding:2px 12px 2px 0;vertical-align:top">{escape(name)}</td>'
            f"<td>{escape(value)}</td></tr>\n"
            for name, value in self._facts()
        )
        links = "".join(
            f'<p><a href="{escape(link)}">{escape(name)}</a>: {escape(link)}</p>\n' for name, link in self._links()
        )
        title = f"<p>{escape(self.title)}</p>\n" if self.title else ""
        return f"<p><b>{escape(self.subject)}.</b></p>\n{title}<table>\n{rows}</table>\n{links}"

    @property
    def payload(self) -> dict[str, Any]:
        """The body of a webhook. ``text`` is what chat systems show."""
        return {"id": self.id, "subject": self.subject, **msgspec.to_builtins(self), "text": self.text}

    def _facts(self) -> list[tuple[str, str]]:
        figures = ", ".join(f"{name.replace('_', ' ')} {self.figures.get(name, 0):,}" for name in FIGURES)
        if self.integration.startswith("connection "):  # an incident of a connection, and of no run of its own
            found = [("Connection", self.integration.removeprefix("connection ")), ("Circuit", self.state)]
            found += [("Reason", self.reason), ("Next step", self.next_step), ("At", self.at)]
            return [(name, value) for name, value in found if value]
        run = self.run_id + (f" ({self.state})" if self.state else "") if self.run_id else "none was opened"
        found = [
            ("Integration", self.integration),
            ("Run", run),
            ("DAG run", self.dag_run_id),
            ("Records", figures if self.figures else "not known"),
            ("Reason", self.reason),
            ("Next step", self.next_step),
            ("At", self.at),
        ]
        return [(name, value) for name, value in found if value]

    def _links(self) -> list[tuple[str, str]]:
        found = [("Run in Airflow", self.run_link), ("Figures", self.figures_link)]
        return [(name, link) for name, link in found if link]
