"""Notifiers: who is told, and how. Each serves the callbacks of any DAG, and its deadlines."""

from dragoman.orchestration.notifiers.mail_notifier import MailNotifier
from dragoman.orchestration.notifiers.message import Message
from dragoman.orchestration.notifiers.signature import sign, verify
from dragoman.orchestration.notifiers.webhook_notifier import WebhookNotifier

__all__ = ["MailNotifier", "Message", "WebhookNotifier", "sign", "verify"]
