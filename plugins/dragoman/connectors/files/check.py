"""Tries a connection."""

from __future__ import annotations

from dragoman.connectors.files.root import open_root
from dragoman.core.connection import Connection

__all__ = ["check_connection"]


def check_connection(connection: Connection) -> str:
    """One line that says what answered; ``FatalError`` or ``RetriableError`` where nothing did."""
    return open_root(connection).check()
