"""An API with faults: takes items, lists records, does wrong what it is told to, and keeps an honest record.

In a process of its own (so that a client that is killed cannot disturb its record):

    with fault_server(idempotency="Idempotency-Key") as api:
        api.rules({"fault": "applied_timeout", "nth": 2})
        ...  # POST to api.url + "/orders"
        assert len(api.rows("orders")) == 100

or ``python -m dragoman.testing.fault_server --port 0``, which prints its address. What is taken goes to any path but
two: ``/lists/…`` (``fault_list.py``) and ``/-/…``, where it is told what to do, in JSON: ``PUT /-/rules`` a list of
rules (``faults.py``), ``PUT /-/lists/NAME`` a list of records, ``GET /-/applied`` all that was ever applied, ``GET
/-/rows/COLLECTION`` what it holds, ``GET /-/requests`` what it was asked, ``GET /-/faults`` the
catalogue, ``POST /-/reset`` to forget all that.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request as Call
from urllib.request import urlopen

from dragoman.testing.fault_list import Lists
from dragoman.testing.fault_target import Abilities, Target
from dragoman.testing.faults import LIST_FAULTS, TARGET_FAULTS, Rule, Rules
from dragoman.testing.http_server import Answer, Request, Write, serve

__all__ = ["FaultApi", "FaultServer", "fault_server"]


class FaultServer:
    """The handler of the server, for use with ``http_server.serve`` within a test's own process."""

    def __init__(self, abilities: Abilities | None = None, record: Path | None = None) -> None:
        rules = Rules()
        self.rules = rules
        self.target = Target(abilities or Abilities(), rules, record)
        self.lists = Lists(rules)
        self.asked: list[dict[str, Any]] = []

    def __call__(self, request: Request) -> Answer | Write:
        """Answer one request."""
        if request.path.startswith("/-/"):
            return self._told(request, request.path.removeprefix("/-/"))
        said = {"method": request.method, "target": request.target, "headers": dict(request.headers)}
        self.asked.append(said | {"body": request.body.decode(errors="replace")})
        lists = request.path.startswith("/lists/") and request.method == "GET"
        return self.lists.answer(request) if lists else self.target.answer(request)

    def _told(self, request: Request, what: str) -> Answer:
        try:
            if request.method == "PUT" and what == "rules":
                self.rules.set(json.loads(request.body))
                return Answer.of({"rules": len(self.rules.rules)})
            if request.method == "POST" and what == "reset":
                self.rules.set([])
                self.target.reset()
                self.asked.clear()
                return Answer.of({})
            if request.method == "PUT" and what.startswith("lists/"):
                self.lists.set(what.removeprefix("lists/"), json.loads(request.body))
                return Answer.of({"records": len(json.loads(request.body))})
        except ValueError as error:
            return Answer.of({"error": str(error)}, 400)
        known: dict[str, Any] = {
            "applied": self.target.applied,
            "requests": self.asked,
            "faults": {**TARGET_FAULTS, **LIST_FAULTS},
        }
        if what.startswith("rows/"):
            return Answer.of(self.target.rows(what.removeprefix("rows/")))
        return Answer.of(known[what]) if what in known else Answer.of({"error": f"no {what} here"}, 404)


@dataclass(frozen=True)
class FaultApi:
    """A fault server in another process, and how to tell it what to do."""

    url: str
    record: Path | None = None

    def rules(self, *rules: Mapping[str, Any] | Rule) -> None:
        """Replace its rules; without one it behaves.

        Raises:
            urllib.error.HTTPError: a rule that it does not know (400).
        """
        self._call("PUT", "rules", [rule.told() if isinstance(rule, Rule) else rule for rule in rules])

    def reset(self) -> None:
        """Forget all rules, all that was applied and asked; lists stay."""
        self._call("POST", "reset")

    def list(self, name: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Replace the records of a list."""
        self._call("PUT", f"lists/{name}", list(records))

    def rows(self, collection: str) -> Any:
        """What it holds in a collection, as it was sent: a list of objects."""
        return self._call("GET", f"rows/{collection}")

    def applied(self) -> Any:
        """All that it has ever applied, in order."""
        return self._call("GET", "applied")

    def requests(self) -> Any:
        """What it was asked, in order: ``method``, ``target``, ``headers``, ``body``."""
        return self._call("GET", "requests")

    def _call(self, method: str, what: str, document: Any = None) -> Any:
        body = None if document is None else json.dumps(document).encode()
        with urlopen(Call(f"{self.url}/-/{what}", body, method=method), timeout=30) as answer:  # noqa: S310 - loopback
            return json.load(answer)


@contextmanager
def fault_server(
    *, idempotency: str = "", external_id: str = "", search: str = "", lag: float = 0.0, record: Path | None = None
) -> Iterator[FaultApi]:
    """Start one in a process of its own; it ends with the block. What the words mean says ``Abilities``."""
    words = [sys.executable, "-m", "dragoman.testing.fault_server", "--until-stdin-ends", "--lag", str(lag)]
    for name, value in (("idempotency", idempotency), ("external-id", external_id), ("search", search)):
        words += [f"--{name}", value] if value else []
    words += ["--record", str(record)] if record else []
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None  # noqa: S101 - for the type checker: both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            yield FaultApi(process.stdout.readline().strip(), record)
        finally:
            process.stdin.close()
            process.wait(10)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="fault_server", description="An API with faults, and an honest record.")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--idempotency", default="", metavar="HEADER", help="the header of idempotency keys")
    parser.add_argument("--external-id", default="", metavar="FIELD", help="the field by which a POST upserts")
    parser.add_argument("--search", default="", metavar="FIELD", help="the field that a search finds")
    parser.add_argument("--lag", type=float, default=0.0, help="seconds until a search finds what was applied")
    parser.add_argument("--record", type=Path, help="a file that gets a line for each applied item")
    parser.add_argument("--rules", type=json.loads, default=[], help="the first rules, as JSON")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end when the standard input ends")
    args = parser.parse_args(argv)
    server = FaultServer(Abilities(args.idempotency, args.external_id, args.search, args.lag), args.record)
    server.rules.set(args.rules)
    with serve(server, port=args.port) as running:
        sys.stdout.write(f"{running.url}\n")
        sys.stdout.flush()
        try:
            sys.stdin.read() if args.until_stdin_ends else threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
