"""A small paged API over a file of JSON records: ``python -m dragoman.testing.sample_api --port 0 --data FILE``.

``GET /orders?updated_since=…&limit=100&after=TOKEN`` answers ``{"data": [...], "meta": {"total": n, "next": TOKEN}}``,
ordered by ``updated_at`` and ``id``. The file (a JSON array, or NDJSON) is read anew for each answer, so that a demo
can let the shop go on by replacing it. The first line on stdout is the base URL.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["answer_for", "main"]

LARGEST = 1000


def answer_for(data: Path, target: str) -> tuple[int, dict[str, Any]]:
    """Status and document for a request target such as ``/orders?limit=2``."""
    parts = urlsplit(target)
    params = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if parts.path.rstrip("/") not in {"/orders", ""}:
        return 404, {"error": f"there is nothing at {parts.path}; the list is at /orders"}
    try:
        limit = int(params.get("limit", "100"))
        since = _moment(params["updated_since"]) if "updated_since" in params else None
        after = _position(params["after"]) if "after" in params else None
    except ValueError as error:
        return 400, {"error": f"a parameter cannot be read: {error}"}
    if not 1 <= limit <= LARGEST:
        return 400, {"error": f"limit is {limit}, not 1 to {LARGEST}"}
    records = sorted(_records(data), key=_order)
    found = [record for record in records if since is None or _moment(record["updated_at"]) >= since]
    left = [record for record in found if after is None or _order(record) > after]
    page = left[:limit]
    more = len(left) > limit
    return 200, {"data": page, "meta": {"total": len(found), "next": _token(page[-1]) if more else None}}


def main(argv: list[str] | None = None) -> int:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="sample_api", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument(
        "--data", type=Path, required=True, help="a JSON array or NDJSON of records with updated_at, id"
    )
    args = parser.parse_args(argv)
    server = ThreadingHTTPServer(("127.0.0.1", args.port), _handler(args.data))
    server.daemon_threads = True
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


def _handler(data: Path) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            try:
                status, document = answer_for(data, self.path)
            except (OSError, ValueError, KeyError) as error:
                status, document = 500, {"error": f"the data cannot be read: {error!r}"}
            body = json.dumps(document, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _records(data: Path) -> list[dict[str, Any]]:
    text = data.read_text(encoding="utf-8")
    if text.lstrip()[:1] == "[":
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _order(record: dict[str, Any]) -> tuple[datetime, str]:
    return _moment(record["updated_at"]), str(record["id"]).rjust(24)


def _token(record: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([record["updated_at"], record["id"]]).encode()).decode()


def _position(token: str) -> tuple[datetime, str]:
    moment, number = json.loads(base64.urlsafe_b64decode(token))
    return _moment(moment), str(number).rjust(24)


if __name__ == "__main__":
    sys.exit(main())
