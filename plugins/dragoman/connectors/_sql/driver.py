"""What one database system brings to the destination and the session that all of them share.

Everything that the guarantee needs (the order of the commits, the proof, the count of what was taken, erasing in the
same transaction) stands in ``destination.py`` and ``session.py``; a system says how it is opened, asked and understood
(``Driver``) and how rows get into one of its tables and out again (``Loader``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from dragoman.connectors._sql.delivery_table import DeliveryTable
from dragoman.core.batch import Refused
from dragoman.core.errors import DragomanError
from dragoman.core.ports import DeliverRequest

__all__ = ["Driver", "Loader", "Server"]


class Server(Protocol):
    """An open connection of any system."""

    def close(self) -> None:
        """Close it; what is not committed is rolled back."""
        ...


S = TypeVar("S", bound=Server)


class Loader(Protocol):
    """Rows into one table and out of it, within the session's transaction. Errors are the system's own."""

    @property
    def superseded(self) -> int:
        """Rows so far that did not get in because a newer version of theirs was there."""
        ...

    def load(self, outputs: pa.Table) -> list[Refused]:
        """Put native rows in, as the request's mode says; those that the table does not take come back."""
        ...

    def erase(self, keys: pa.Table) -> list[Refused]:
        """Remove the rows of these native keys; a key that is not there is fine."""
        ...

    def finish(self) -> None:
        """All rows are in; what is left to do right before the commit."""
        ...


class Driver(Protocol[S]):
    """One system with one connection and one table's name."""

    system: str
    """The first part of its error codes."""
    table: str
    error: type[Exception]
    begin: str
    """The statement that begins a transaction that writes."""

    def exists(self) -> bool:
        """Whether there is a database to ask."""
        ...

    def connect(self, label: str = "", *, reading: bool = False) -> S:
        """A connection in which each statement commits by itself."""
        ...

    def run(self, server: S, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement and fetch its rows, if it gives any."""
        ...

    def explain(self, error: Any, doing: str) -> DragomanError:
        """The error of this package for what the system said while ``doing`` something."""
        ...

    def proof(self, server: S) -> DeliveryTable | None:
        """The table of proofs, None where it is not there; makes nothing."""
        ...

    def enter(self, server: S, request: DeliverRequest) -> DeliveryTable | None:
        """Begin the run's transaction, with the table of proofs made; None where the role may not make or write it.

        Raises:
            FatalError: ``<system>.no_proof`` where the mode cannot do without.
        """
        ...

    def open_table(self, server: S, request: DeliverRequest) -> Loader:
        """The table to load, made where it is missing; every mistake that can be seen now is an error now."""
        ...

    def commit(self, server: S) -> None:
        """Commit; says so where the answer was lost."""
        ...
