"""Reads a list of JSON records from an HTTP API, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dragoman.connectors._http.client import Client
from dragoman.connectors._http.document import Page, read_page
from dragoman.connectors._http.endpoint import endpoint_of
from dragoman.connectors._http.headers import open_headers
from dragoman.connectors._http.location import BadUrlError, Location
from dragoman.connectors._http.paging import Paging, pages
from dragoman.connectors._http.params import plain_params
from dragoman.connectors.http.gathering import Gathering
from dragoman.connectors.http.interval_position import IntervalPosition
from dragoman.connectors.http.position import Position
from dragoman.core.batch import ReadBatch, ReadEnd
from dragoman.core.connection import Connection
from dragoman.core.errors import ConfigError
from dragoman.core.ports import ReadRequest

__all__ = ["HttpSource", "open_source"]


def open_source(connection: Connection, options: Mapping[str, Any]) -> HttpSource:
    """A source over a connection of type http; ``options`` as the manifest has them.

    Raises ``ConfigError`` for a path, header, paging or connection that cannot be used; nothing is sent yet.
    """
    return HttpSource(connection, options)


class HttpSource:
    """One list of an API. See ``core.ports.RecordSource``."""

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        endpoint = endpoint_of(connection)
        path = str(options.get("path") or "")
        try:
            place = endpoint.at(path)
        except BadUrlError as error:
            raise ConfigError(
                "http.path", f"path {path!r} cannot be used: {error}", next_step="write it as /orders"
            ) from error
        self._place = place.with_params(plain_params(options.get("params") or {}))
        self._headers = open_headers(options.get("headers") or {}, "the source")
        self._records = str(options.get("records") or "")
        self._paging = Paging(options.get("paging"), str(options.get("total") or ""))
        self._max_pages = int(options.get("max_pages") or 100_000)
        self._cursor: Mapping[str, Any] | None = options.get("cursor")
        self._zone = str(options.get("timezone") or "")
        self._client = Client(
            endpoint,
            timeout=float(options.get("timeout") or 60.0),
            max_bytes=int(options.get("max_bytes") or 64 << 20),
        )

    def freeze(self, request: ReadRequest) -> None:  # noqa: ARG002 - the port's signature
        """An API has no bound that could be frozen."""
        return

    def read(self, request: ReadRequest) -> Iterator[ReadBatch | ReadEnd]:
        """Batches of raw JSON tokens with ``_position`` (``page 3 item 17``), and last the end with the cursor."""
        position = self._position(request)
        place = self._place.with_params(position.params) if position else self._place
        identity = str((self._cursor or {}).get("id") or "")
        gathering = Gathering(place.shown, request.batch_rows, position)
        for page in pages(self._paging, place, self._max_pages, self._fetch, identity):
            yield from gathering.add(page)
        yield from gathering.rest()
        yield ReadEnd(cursor=position.end() if position else None, nothing_new=position is not None)

    def _position(self, request: ReadRequest) -> Position | None:
        if not self._cursor:
            return None
        if request.interval:
            return IntervalPosition(self._cursor, self._zone, request.interval)
        return Position(self._cursor, self._zone, request.cursor)

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def _fetch(self, place: Location, number: int) -> Page:
        answer = self._client.get(place, self._headers)
        return read_page(answer, number, self._records, self._client.mask)
