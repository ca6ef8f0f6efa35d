"""Opens the connectors that a flow names: their module, their connection, their checked options.

A connector builds itself from its own configuration (``open_source``, ``open_destination``); nothing here knows one
by name. Where the connections are those of a workplace, each one's circuit breaker is asked before it is opened.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from dragoman.core.capability import DestinationCan, SourceCan
from dragoman.core.connection import Connection, ConnectionStore
from dragoman.core.errors import ConfigError
from dragoman.core.flow import DeliverySpec, SourceSpec, StreamSpec
from dragoman.core.items import ItemDestination
from dragoman.core.ports import FileDestination, FileSource, RecordDestination, RecordSource
from dragoman.core.registry import manifests
from dragoman.steps.circuit import WatchedConnections

__all__ = ["AnyDestination", "destination_can", "opened_destination", "opened_source", "source_can"]

AnyDestination = RecordDestination | FileDestination | ItemDestination


def source_can(source: SourceSpec) -> SourceCan:
    """What the source's connector can do."""
    role = manifests()[source.connector].source
    if role is None:
        raise ConfigError("connector.no_source", f"the connector {source.connector!r} does not read")
    return role.can


def destination_can(delivery: DeliverySpec) -> DestinationCan:
    """What the delivery's connector can do."""
    role = manifests()[delivery.connector].destination
    if role is None:
        raise ConfigError("connector.no_destination", f"the connector {delivery.connector!r} does not write")
    return role.can


@contextmanager
def opened_source(
    source: SourceSpec, stream: StreamSpec, connections: ConnectionStore
) -> Iterator[RecordSource | FileSource]:
    """The source of one stream, closed on the way out."""
    options: dict[str, Any] = dict(stream.options)
    options["types"] = dict(stream.types)
    options["timezone"] = stream.timezone
    if stream.cursor is not None:
        cursor = stream.cursor
        options["cursor"] = {
            "column": cursor.column,
            "id": cursor.id,
            "overlap": cursor.overlap,
            "param": cursor.param,
        }
    connection = _resolve(source.connector, source.connection, connections)
    with _in_use(source.connector, source.connection, connections):
        opened = _module(source.connector, "source").open_source(connection, options)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def opened_destination(delivery: DeliverySpec, connections: ConnectionStore) -> Iterator[AnyDestination]:
    """The destination of one delivery, closed on the way out."""
    connection = _resolve(delivery.connector, delivery.connection, connections)
    with _in_use(delivery.connector, delivery.connection, connections):
        opened = _module(delivery.connector, "destination").open_destination(connection, dict(delivery.options))
        try:
            yield opened
        finally:
            opened.close()


def _in_use(connector: str, conn_id: str, connections: ConnectionStore) -> AbstractContextManager[None]:
    return connections.in_use(conn_id, connector) if isinstance(connections, WatchedConnections) else nullcontext()


def _module(connector: str, role: str) -> Any:
    return importlib.import_module(f"dragoman.connectors.{connector}.{role}")


def _resolve(connector: str, conn_id: str, connections: ConnectionStore) -> Connection | None:
    if not conn_id:
        return None
    connection = connections.get(conn_id)
    known = manifests()[connector].connection
    if known is not None and known.types and connection.conn_type not in known.types:
        raise ConfigError(
            "connection.wrong_type",
            f"connection {conn_id!r} is of type {connection.conn_type!r}; the connector {connector!r} takes "
            + " or ".join(known.types),
            next_step=f"write it as {known.example}",
        )
    return connection
