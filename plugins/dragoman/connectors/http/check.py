"""Whether a connection's server answers, for ``dragoman connectors test``."""

from __future__ import annotations

from dragoman.connectors._http.client import Client
from dragoman.connectors._http.endpoint import endpoint_of
from dragoman.core import clock
from dragoman.core.connection import Connection
from dragoman.core.errors import FatalError

__all__ = ["check_connection"]


def check_connection(connection: Connection) -> str:
    """One line about what answered at the base URL; credentials that are refused raise ``FatalError``.

    An API rarely has anything at its base URL itself: that it answers "not found" there is a good answer.
    """
    endpoint = endpoint_of(connection)
    client = Client(endpoint, timeout=15.0)
    begun = clock.monotonic()
    try:
        status = str(client.get(endpoint.base).status)
    except FatalError as error:
        if error.code not in {"http.not_found", "http.refused"}:
            raise
        status = "that there is nothing to GET at the base URL itself"
    finally:
        client.close()
    return f"{endpoint.base.shown} answered {status} after {clock.monotonic() - begun:.2f} s"
