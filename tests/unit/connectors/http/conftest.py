"""Reading from real servers on loopback, with recorded waits and, where a test needs one, a small internet."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from dragoman.connectors.http.source import open_source
from dragoman.core import clock
from dragoman.core.batch import ReadBatch, ReadEnd, Reject, position_of
from dragoman.core.connection import Connection, parse_connection
from dragoman.core.ports import ReadRequest


@dataclass
class Reading:
    """What one reading gave."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    filtered: dict[str, int] = field(default_factory=dict)
    batches: list[ReadBatch] = field(default_factory=list)
    end: ReadEnd | None = None

    @property
    def ids(self) -> list[Any]:
        return [row["id"] for row in self.rows]

    def take(self, batch: ReadBatch) -> None:
        self.batches.append(batch)
        self.rejects += batch.rejects
        for reason, count in batch.filtered.items():
            self.filtered[reason] = self.filtered.get(reason, 0) + count
        for at, row in enumerate(batch.table.to_pylist()):
            self.positions.append(position_of(batch.table, at))
            del row["_position"]
            self.tokens.append(row)
            self.rows.append({name: json.loads(value) for name, value in row.items() if value is not None})


Read = Callable[..., Reading]


@pytest.fixture
def read() -> Read:
    """``read(url, path=…, …)``: read one stream to its end; ``connection`` takes the place of the url's own."""

    def reading(
        url: str = "",
        cursor_at: Mapping[str, Any] | None = None,
        connection: Connection | None = None,
        batch_rows: int = 65_536,
        private: bool = True,
        interval: tuple[str, str] | None = None,
        **options: Any,
    ) -> Reading:
        known = connection or parse_connection("shop", url + ("?allow_private=true" if private else ""))
        source = open_source(known, {"path": "/orders", "timeout": 5.0, **options})
        done = Reading()
        request = ReadRequest(cursor=cursor_at, batch_rows=batch_rows, interval=interval)
        assert source.freeze(request) is None
        try:
            for item in source.read(request):
                assert done.end is None, "nothing comes after the end"
                if isinstance(item, ReadEnd):
                    done.end = item
                else:
                    done.take(item)
        finally:
            source.close()
        assert done.end is not None
        return done

    return reading


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, which are recorded and not waited; chance gives its greatest value."""
    done: list[float] = []
    monkeypatch.setattr(clock, "sleep", done.append)
    monkeypatch.setattr(clock, "random_fraction", lambda: 1.0)
    return done


class Internet:
    """Names with the answers that a name server gives in turn, and public addresses that lead to servers here."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.routes: dict[str, int] = {}
        self.asked: list[str] = []
        self.dialled: list[str] = []

    def site(self, name: str, address: str, port: int) -> str:
        self.names[name] = [[address]]
        self.routes[address] = port
        return f"http://{name}"


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    net = Internet()
    look_up, connect = socket.getaddrinfo, socket.create_connection

    def getaddrinfo(host: Any, port: Any, *args: Any, **named: Any) -> Any:
        answers = net.names.get(str(host))
        if answers is None:
            return look_up(host, port, *args, **named)
        net.asked.append(str(host))
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    def create_connection(address: tuple[str, int], *args: Any, **named: Any) -> Any:
        net.dialled.append(address[0])
        if address[0] in net.routes:
            address = ("127.0.0.1", net.routes[address[0]])
        elif not address[0].startswith("127."):
            raise ConnectionRefusedError(f"nothing is at {address[0]} in this small internet")
        return connect(address, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    yield net
