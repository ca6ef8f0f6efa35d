"""Answers that no honest server gives: cut off, reset, never, or not what they say."""

from __future__ import annotations

import gzip
import json
import os
import socket
import struct
import threading
from pathlib import Path
from typing import Any, BinaryIO

from dragoman.testing.http_server import Answer, Write

__all__ = ["PAGE", "cut_gzip", "cut_off", "error_document", "never", "reset", "slowly"]

PAGE = Answer(b"<!doctype html><html><body><h1>Sign in</h1></body></html>", 200, {"Content-Type": "text/html"})
"""A web page with status 200, as a proxy or a portal gives it."""
_NO_LINGER = struct.pack("ii", 1, 0)


def error_document(message: str, **more: Any) -> dict[str, Any]:
    """An error as a body."""
    return {"status": "error", "error": {"message": message, **more}}


def reset(file: BinaryIO, _closing: threading.Event) -> None:
    """The connection is reset; the descriptor stays taken, so that the server closes nobody else's."""
    with socket.socket(fileno=os.dup(file.fileno())) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), file.fileno())


def never(_file: BinaryIO, closing: threading.Event) -> None:
    """No answer until the server is closed."""
    closing.wait()


def cut_off(answer: Answer) -> Write:
    """The head and half of the body, of which the head says the whole length."""

    def write(file: BinaryIO, _closing: threading.Event) -> None:
        lines = [f"HTTP/1.1 {answer.status} OK", *(f"{name}: {value}" for name, value in answer.headers.items())]
        lines += [f"Content-Length: {len(answer.body)}", "", ""]
        file.write("\r\n".join(lines).encode() + answer.body[: len(answer.body) // 2])

    return write


def cut_gzip(document: Any) -> Answer:
    """A body of the length that it says, which ends in the middle of its gzip stream."""
    packed = gzip.compress(json.dumps(document).encode())
    return Answer(packed[: len(packed) // 2], 200, {"Content-Type": "application/json", "Content-Encoding": "gzip"})


def slowly(answer: Answer, seconds: float) -> Write:
    """The whole answer after so many seconds."""

    def write(file: BinaryIO, closing: threading.Event) -> None:
        closing.wait(seconds)
        lines = [f"HTTP/1.1 {answer.status} OK", *(f"{name}: {value}" for name, value in answer.headers.items())]
        lines += [f"Content-Length: {len(answer.body)}", "Connection: close", "", ""]
        file.write("\r\n".join(lines).encode() + answer.body)

    return write
