"""A real HTTP server on loopback whose every answer, and every misbehaviour, a test decides.

    with serve(lambda request: Answer.of({"data": [{"id": 1}]})) as server:
        ...  # server.url, server.requests

The handler gets each request and gives an ``Answer``, or a function that writes whatever bytes it likes (and as slowly
as it likes) to the client.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Answer", "Handler", "Request", "Server", "serve"]


@dataclass(frozen=True)
class Request:
    """One request as it came in. ``target`` is the request line's own text, ``params`` its query, decoded."""

    method: str
    target: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = b""
    client: tuple[str, int] = ("", 0)
    """Address and port of who asks: the same for all requests of one connection."""

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """One whole answer; Content-Length is added unless a header of that name is given."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any, status: int = 200, **headers: str) -> Answer:
        """A JSON answer; ``retry_after="5"`` becomes the header Retry-After."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps(document, ensure_ascii=False).encode()
        return cls(body, status, {"Content-Type": "application/json", **named})


Write = Callable[[BinaryIO, threading.Event], None]
"""Writes raw bytes, status line first; the event is set when the server is closed, so that a wait can end."""
Handler = Callable[[Request], "Answer | Write"]


@dataclass
class Server:
    """A running server. ``requests`` grows as they come in."""

    url: str
    port: int
    requests: list[Request] = field(default_factory=list)


@contextmanager
def serve(
    handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Server]:
    """Serve until the block ends, on a free port unless one is named."""
    closing = threading.Event()

    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            length = self.headers.get("Content-Length") or "0"
            body = self.rfile.read(int(length)) if length.isdigit() else b""
            request = Request(
                method=self.command,
                target=self.path,
                path=parts.path,
                params=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
                client=(str(self.client_address[0]), int(self.client_address[1])),
            )
            server.requests.append(request)
            answer = handler(request)
            try:
                if isinstance(answer, Answer):
                    self._send(answer)
                else:
                    self.close_connection = True
                    answer(self.wfile, closing)  # type: ignore[arg-type]  # a socket's file is close enough
            except OSError:
                self.close_connection = True

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "content-length" not in {name.lower() for name in answer.headers}:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_words: Any) -> None:
            """Be quiet."""

    class _Quiet(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_words: Any) -> None:
            """A client that hangs up (or refuses a certificate) is no news."""

    listener = _Quiet((host, port), _Handler)
    if tls is not None:
        listener.socket = tls.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
    port = int(listener.server_address[1])
    server = Server(f"{'https' if tls else 'http'}://{host}:{port}", port)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        closing.set()
        listener.shutdown()
        listener.server_close()
        thread.join()
