"""Tells a program: one signed JSON body, posted to the address of a connection."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow.sdk import BaseNotifier

from dragoman.core import clock
from dragoman.core.errors import ConfigError, DragomanError, FatalError, RetriableError
from dragoman.orchestration.notifiers.message import Message
from dragoman.orchestration.notifiers.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign

if TYPE_CHECKING:
    import httpx

    from dragoman.core.connection import Connection

__all__ = ["WebhookNotifier"]

TRIES = 3
PAUSE = 0.5
"""Seconds before the second try, doubled for the third."""
TIMEOUT = 5.0
_OURS = frozenset({"timeout", "headers", "path"})
_PASSES = frozenset({408, 425, 429})


class WebhookNotifier(BaseNotifier):
    """Posts one message as JSON; for the callbacks and the deadlines of any DAG.

    The connection (type ``http``) holds the address; its password, if it has one, signs the body. ``timeout`` in its
    extra is in seconds, ``headers`` is a map; whatever else stands there is the query of the address.

    Args:
        conn_id: the Airflow connection (a template field).
        event: what happened, such as ``rejects``; by default it is judged by the run.
        kwargs: those of every Airflow notifier.

    Example: ``on_failure_callback=WebhookNotifier(conn_id="ops_hook")``
    """

    template_fields: Sequence[str] = ("conn_id",)

    def __init__(self, *, conn_id: str, event: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id
        self.event = event

    def notify(self, context: Any) -> None:
        """Post what is known of the run in an Airflow context. ``DragomanError`` ``alert.not_sent``."""
        from dragoman.orchestration.news import message_of_context

        self.send(message_of_context(context, self.event))

    async def async_notify(self, context: Any) -> None:
        """The same for the triggerer, beside its event loop."""
        await asyncio.to_thread(self.notify, context)

    def send(self, message: Message) -> None:
        """Post one message, in up to three tries within about 17 seconds; no redirect is followed.

        Raises ``RetriableError`` ``alert.not_sent`` where it may work later, ``FatalError`` where the receiver refused.
        """
        from dragoman.orchestration.connections import AirflowConnections

        connection = AirflowConnections().get(self.conn_id)
        url = _address(connection)
        body = json.dumps(message.payload, ensure_ascii=False, separators=(",", ":")).encode()
        for attempt in range(1, TRIES + 1):
            failure = self._post(connection, url, body, message.id)
            if failure is None:
                return
            if attempt == TRIES or not isinstance(failure, RetriableError):
                raise failure
            clock.sleep(PAUSE * 2 ** (attempt - 1) * (1 + clock.random_fraction()))

    def _post(self, connection: Connection, url: str, body: bytes, message_id: str) -> DragomanError | None:
        """One try: None, or what went wrong. Neither address nor answer stand in the error: both may hold secrets."""
        import httpx

        try:
            with _quiet(), self._client(connection) as client:
                headers = {**_headers(connection, body), "X-Dragoman-Id": message_id}
                with client.stream("POST", url, content=body, headers=headers) as answer:
                    status = answer.status_code
        except httpx.TimeoutException:
            return self._error(RetriableError, "no answer in time")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._error(RetriableError, f"the receiver cannot be reached ({type(error).__name__})")
        if 200 <= status < 300:
            return None
        if 300 <= status < 400:
            return self._error(FatalError, f"the answer was a redirect ({status}), which is not followed")
        kind = RetriableError if status >= 500 or status in _PASSES else FatalError
        return self._error(kind, f"the receiver answered {status}")

    def _client(self, connection: Connection) -> httpx.Client:
        import httpx

        try:
            timeout = float(connection.extra.get("timeout") or TIMEOUT)
        except (TypeError, ValueError):
            timeout = TIMEOUT
        return httpx.Client(timeout=min(timeout, 60.0), follow_redirects=False)

    def _error(self, kind: type[DragomanError], why: str) -> DragomanError:
        step = f"see that the address in the connection {self.conn_id} takes a POST of JSON"
        return kind(
            "alert.not_sent", f"the webhook by the connection {self.conn_id!r} was not sent: {why}", next_step=step
        )


def _address(connection: Connection) -> str:
    """Scheme, host, port, path and query of a connection."""
    scheme = connection.scheme if connection.scheme in {"http", "https"} else "https"
    if connection.conn_type != "http" or not connection.host:
        raise ConfigError(
            "alert.connection",
            f"the connection {connection.conn_id!r} of a webhook is of type {connection.conn_type!r}"
            f"{'' if connection.host else ' and has no host'}",
            next_step=f"export AIRFLOW_CONN_{connection.conn_id.upper()}='https://:secret@hooks.example.com/path'",
        )
    port = f":{connection.port}" if connection.port else ""
    path, _, given = connection.path.partition("?")
    query = [given] if given else []
    more = {name: value for name, value in connection.extra.items() if name not in _OURS and isinstance(value, str)}
    query += [urlencode(more)] if more else []
    where = f"{scheme}://{connection.host}{port}/{quote(path.lstrip('/'), safe='/%:@+,;=~!$&()*')}"
    return f"{where}?{'&'.join(query)}" if query else where


def _headers(connection: Connection, body: bytes) -> dict[str, str]:
    given = connection.extra.get("headers") or {}
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise ConfigError(
                "alert.connection",
                f"the headers in the extra of the connection {connection.conn_id!r} are no JSON map",
                next_step='write "headers": {"Authorization": "…"} in its extra',
            ) from error
    headers = {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}
    headers |= {"Content-Type": "application/json", "User-Agent": "dragoman"}
    if connection.password:
        timestamp = str(int(clock.now().timestamp()))
        headers |= {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign(connection.password, timestamp, body)}
    return headers


@contextmanager
def _quiet() -> Iterator[None]:
    """Without httpx's own line in the log, which would show the whole address."""
    logger = logging.getLogger("httpx")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
