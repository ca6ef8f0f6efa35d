"""A real SMTP server and a real HTTP receiver on loopback, for tests of alerts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

SECRET = "s3cret-of-the-hook"


class _AnyPort(Controller):
    """Takes a port from the system."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@dataclass
class Mailbox:
    """The mails that arrived. While ``refusing`` is set each is answered with it."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    refusing: str = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refusing:
            return self.refusing
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    @property
    def connection(self) -> str:
        """The value of an ``AIRFLOW_CONN_…`` variable."""
        extra = {"from_email": "dragoman@example.com", "disable_tls": True, "disable_ssl": True, "retry_limit": 0}
        return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra})

    def texts(self) -> list[tuple[str, str]]:
        """Subject and body of each."""
        return [(mail["Subject"], mail.get_body(("html",)).get_content()) for mail in list(self.mails)]

    def subjects(self) -> list[str]:
        return [mail["Subject"] for mail in list(self.mails)]


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Hook:
    """The posts that were answered with 200, and all tries. ``answers`` holds what the next tries get instead."""

    port: int = 0
    posts: list[Post] = field(default_factory=list)
    tries: list[Post] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    always: int = 200

    @property
    def connection(self) -> str:
        """The value of an ``AIRFLOW_CONN_…`` variable."""
        return f"http://:{SECRET}@127.0.0.1:{self.port}/hooks/ops?token=of-the-address"

    def events(self) -> list[tuple[str, str]]:
        return [(post.json["integration"], post.json["event"]) for post in list(self.posts)]


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A running SMTP server."""
    box = Mailbox()
    controller = _AnyPort(box, hostname="127.0.0.1", port=0)
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


@contextmanager
def hook() -> Iterator[Hook]:
    """A running HTTP receiver."""
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            post = Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            found.tries.append(post)
            status = found.answers.pop(0) if found.answers else found.always
            if status == 200:
                found.posts.append(post)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"http://127.0.0.1:{found.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
