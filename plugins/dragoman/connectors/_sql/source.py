"""A source of rows in a database, the same for every system: one connection, one snapshot per reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol

from dragoman.connectors._sql.driver import S
from dragoman.connectors._sql.incremental import Relation, read_keys, read_relation
from dragoman.connectors._sql.selection import key_columns
from dragoman.core.batch import ReadBatch, ReadEnd, ReadKeys
from dragoman.core.errors import DragomanError
from dragoman.core.ports import ReadRequest

__all__ = ["Reader", "SqlSource"]


class Reader(Protocol[S]):
    """What one system brings: one connection and what is read there."""

    origin: str
    """What positions name."""
    error: type[Exception]

    def connect(self) -> S:
        """A connection in which each statement commits by itself."""
        ...

    def begin(self, server: S) -> None:
        """Begin a transaction that only reads, and sees one state."""
        ...

    def commit(self, server: S) -> None:
        """End it."""
        ...

    def explain(self, error: Any, doing: str) -> DragomanError:
        """The error of this package for what the system said while ``doing`` something."""
        ...

    def relation(self, server: S, request: ReadRequest, columns: Sequence[str] = ()) -> Relation:
        """What is read, its names checked; with ``columns`` these alone, and all rows whatever the cursor."""
        ...


class SqlSource(Generic[S]):
    """See the port ``RecordSource``."""

    def __init__(self, reader: Reader[S]) -> None:
        self._reader = reader
        self._server: S | None = None

    def freeze(self, request: ReadRequest) -> Mapping[str, Any] | None:
        """The greatest position now; never one before the committed cursor. None where there is no cursor."""
        reader = self._reader
        server = self._open()
        try:
            reader.begin(server)
            relation = reader.relation(server, request)
            bound = relation.bound(relation.keyset, request) if relation.keyset else None
            reader.commit(server)
        except reader.error as error:
            raise reader.explain(error, f"reading the bound of {reader.origin}") from error
        return bound

    def read(self, request: ReadRequest) -> Iterator[ReadBatch | ReadKeys | ReadEnd]:
        """Batches of about ``request.batch_rows`` rows at most, then the end with the cursor to commit."""
        reader = self._reader
        server = self._open()
        try:
            reader.begin(server)
            relation = reader.relation(server, request)
            if request.keys:
                keys = key_columns(reader.origin, request.keys, relation.schema.names)
                yield from read_keys(relation, reader.relation(server, request, keys))
            yield from read_relation(relation, request)
            reader.commit(server)
        except reader.error as error:
            raise reader.explain(error, f"reading {reader.origin}") from error

    def close(self) -> None:
        """Close the connection; a read that was left half way ends with it."""
        if self._server is not None:
            self._server.close()

    def _open(self) -> S:
        if self._server is None:
            self._server = self._reader.connect()
        return self._server
