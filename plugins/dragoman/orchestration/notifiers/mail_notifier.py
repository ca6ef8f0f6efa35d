"""Tells by mail, through Airflow's own SMTP notifier and an SMTP connection."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Sequence
from html import escape
from typing import Any

from airflow.sdk import BaseNotifier

from dragoman.core.errors import RetriableError
from dragoman.orchestration.notifiers.message import Message

__all__ = ["MailNotifier"]

_BREAKS = str.maketrans(dict.fromkeys("\r\n\0", " "))
_SUBJECT_LIMIT = 200


class MailNotifier(BaseNotifier):
    """Sends one mail; for the callbacks and the deadlines of any DAG.

    Args:
        to: receivers.
        conn_id: an Airflow connection of type ``smtp``, which also says who sends (``from_email``).
        subject: instead of the standard one (a template field).
        text: instead of the standard one (a template field).
        event: what happened, such as ``rejects``; by default it is judged by the run.
        kwargs: those of every Airflow notifier.

    Example: ``on_failure_callback=MailNotifier(to=["ops@example.com"], conn_id="ops_mail")``
    """

    template_fields: Sequence[str] = ("to", "conn_id", "subject", "text")

    def __init__(
        self,
        *,
        to: str | Sequence[str],
        conn_id: str = "smtp_default",
        subject: str = "",
        text: str = "",
        event: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.to = to
        self.conn_id = conn_id
        self.subject = subject
        self.text = text
        self.event = event

    def notify(self, context: Any) -> None:
        """Send what is known of the run in an Airflow context. ``RetriableError`` ``alert.not_sent``."""
        from dragoman.orchestration.news import message_of_context

        self.send(message_of_context(context, self.event))

    async def async_notify(self, context: Any) -> None:
        """The same for the triggerer, beside its event loop."""
        await asyncio.to_thread(self.notify, context)

    def send(self, message: Message) -> None:
        """Send one message. ``RetriableError`` ``alert.not_sent`` where the server did not take it."""
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier
        from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

        to = [self.to] if isinstance(self.to, str) else list(self.to)
        html = f"<p>{escape(self.text)}</p>" if self.text else message.html
        notifier = SmtpNotifier(
            smtp_conn_id=self.conn_id,
            to=to,
            subject=(self.subject or message.subject).translate(_BREAKS)[:_SUBJECT_LIMIT],
            html_content=html,
            custom_headers={
                "Message-ID": f"<{message.id}@dragoman>",
                "X-Dragoman-Id": message.id,
                "X-Dragoman-Event": message.event,
                "Auto-Submitted": "auto-generated",
            },
        )
        try:
            notifier.notify({})
        except smtplib.SMTPRecipientsRefused as error:
            raise self._not_sent(f"the server refused {', '.join(error.recipients)}") from error
        except smtplib.SMTPResponseException as error:
            raise self._not_sent(f"the server answered {error.smtp_code} {_words(error.smtp_error)}") from error
        except (OSError, AirflowException, AirflowRuntimeError, RuntimeError, ValueError) as error:
            raise self._not_sent(f"{type(error).__name__}: {error}") from error

    def _not_sent(self, why: str) -> RetriableError:
        return RetriableError(
            "alert.not_sent",
            f"the mail by the connection {self.conn_id!r} was not sent: {why}"[:500],
            next_step=f"airflow connections get {self.conn_id}; it needs type smtp, a host, and from_email in extra",
        )


def _words(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer
