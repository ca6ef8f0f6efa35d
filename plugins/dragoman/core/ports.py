"""The ports: what a connector offers to the steps, and what it may ask for.

A connector's module ``dragoman/connectors/<name>/source.py`` has ``open_source(connection, options) -> RecordSource |
FileSource`` and ``destination.py`` has ``open_destination(connection, options) -> RecordDestination |
FileDestination``. ``connection`` is None where the manifest needs none; ``options`` are checked against the manifest
and have their defaults. What the two sides can do stands in the manifest (``capability.py``), and the steps branch on
that. Errors are those of ``errors.py``: ``RetriableError`` for what may pass, ``FatalError`` for what cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, Protocol, runtime_checkable

import pyarrow as pa

from dragoman.core.batch import ReadBatch, ReadEnd, ReadKeys, Refused

__all__ = [
    "DeliverRequest",
    "DeliverySession",
    "Erases",
    "FileDestination",
    "FileDraft",
    "FileSource",
    "GivesAnswers",
    "KeepsProof",
    "Position",
    "ProvesBatches",
    "ReadRequest",
    "RecordDestination",
    "RecordSource",
    "SourceFile",
    "TellsMore",
]


@dataclass(frozen=True)
class ReadRequest:
    """One stream's reading.

    ``cursor``: what the last closed run committed (``ReadEnd.cursor``), None at the first run.
    ``bound``: what ``freeze`` gave when the run was opened; the same for every try of the run.
    ``marks``: looks up marks of earlier runs by key (a path); empty string where there is none.
    ``interval``: for a backfill, of which cursor values to read records: from, and up to but not including, as values
    of the cursor's column in the source's own text or as moments in ISO 8601; ``cursor`` and ``bound`` are None then.
    ``keys``: the columns of which the values of all records are wanted too, as ``ReadKeys`` before the end; only of a
    source whose manifest says ``deletes: keys``.
    """

    stream: str = ""
    cursor: Mapping[str, Any] | None = None
    bound: Mapping[str, Any] | None = None
    marks: Callable[[str], str] = field(default=lambda _key: "")
    batch_rows: int = 65_536
    allow_empty: bool = False
    interval: tuple[str, str] | None = None
    keys: tuple[str, ...] = ()


class RecordSource(Protocol):
    """A source of records (a database, an API)."""

    def freeze(self, request: ReadRequest) -> Mapping[str, Any] | None:
        """The upper bound of this run, read once when it opens; None where the source cannot freeze one."""
        ...

    def read(self, request: ReadRequest) -> Iterator[ReadBatch | ReadKeys | ReadEnd]:
        """Batches, and last a ``ReadEnd``."""
        ...

    def close(self) -> None:
        """Give back what was opened; called once, always."""
        ...


@dataclass(frozen=True)
class SourceFile:
    """One file to read: its path as people know it, its size in bytes, and what tells whether it changed."""

    path: str
    size: int
    stamp: str
    open: Callable[[], BinaryIO]


class FileSource(Protocol):
    """A source of files, whose records a format reads."""

    def files(self, request: ReadRequest) -> Iterator[SourceFile]:
        """The files to read now, in the order of their paths; the marks of earlier runs are honoured here."""
        ...

    def mark(self, file: SourceFile, sha256: str) -> str:
        """The mark to keep for a file that was read to its end."""
        ...

    def after_close(self, paths: list[str]) -> None:
        """The run that read these is closed: move them where ``after:`` says. Safe to call twice."""
        ...

    def close(self) -> None:
        """Give back what was opened; called once, always."""
        ...


@dataclass(frozen=True)
class DeliverRequest:
    """One run's delivery. ``schema``: the output columns (``fieldtype``), without hidden ones.

    ``token``: the fencing token; the destination's transaction refuses (``FatalError`` ``lease.fenced``) when it has
    seen a higher one.

    Of upserts: ``version`` is the column by which an older output never overwrites a newer row; ``update`` are the
    columns that are overwritten in a row that is there (None: all), ``insert_only`` those that are not.
    """

    integration: str
    delivery: str
    run_id: str
    token: int
    schema: pa.Schema
    mode: str
    key: tuple[str, ...] = ()
    create: bool = True
    version: str = ""
    update: tuple[str, ...] | None = None
    insert_only: tuple[str, ...] = ()


class DeliverySession(Protocol):
    """One run's delivery in progress; nothing is visible at the destination before ``commit``."""

    def applied(self) -> bool:
        """Whether the destination already holds this run's delivery (an earlier try committed it)."""
        ...

    def write(self, batch_id: str, outputs: pa.Table) -> list[Refused]:
        """Send one batch; rows that the destination refuses for their data come back, the others are in.

        Rows of which nobody can tell come back too, marked ``in_doubt``.
        """
        ...

    def commit(self, positions: str = "{}") -> None:
        """Make all of it visible, together with the proof of delivery.

        ``positions``: JSON text that the destination keeps with the proof: where the sources stand after this run.
        """
        ...

    def close(self) -> None:
        """Roll back what is not committed and give back what was opened; called once, always."""
        ...


@runtime_checkable
class Erases(Protocol):
    """A delivery session that can remove rows; the manifest says ``erase``."""

    def erase(self, batch_id: str, keys: pa.Table) -> list[Refused]:
        """Remove the rows of these keys, in the same transaction as what is written; a key that is not there is fine.

        ``keys`` has the delivery's key columns; rows that cannot be removed come back.
        """
        ...


@runtime_checkable
class GivesAnswers(Protocol):
    """A delivery session whose destination gives what arrives an id of its own."""

    def answers(self, batch_id: str) -> Sequence[str]:
        """The peer's own id of each row of a batch that was written, in their order.

        Empty where it gave none, and for rows that were refused or are in doubt.
        """
        ...


@runtime_checkable
class TellsMore(Protocol):
    """A delivery session that counts more than what was taken and what was refused."""

    def more(self) -> Mapping[str, int]:
        """Further counts of the delivery, none of them zero.

        Within the delivered outputs ``superseded`` (taken, and changed nothing, for a newer version was there) and
        ``erased`` (keys whose rows are gone). ``unproven`` is 1 where the destination keeps no proof: a try that is
        repeated then ends in the same state, and that is all that is promised.
        """
        ...


class RecordDestination(Protocol):
    """A destination of records."""

    def deliver(self, request: DeliverRequest) -> DeliverySession:
        """Begin."""
        ...

    def last_token(self, integration: str, delivery: str) -> int:
        """The highest fencing token the destination has seen for this delivery; 0 where it has seen none."""
        ...

    def close(self) -> None:
        """Give back what was opened; called once, always."""
        ...


class Position(NamedTuple):
    """Where the sources stood after a run, as the destination keeps it with the proof of that run's delivery."""

    run_id: str
    token: int
    positions: str


@runtime_checkable
class KeepsProof(Protocol):
    """A destination that keeps the proof of its deliveries, batch by batch, and can forget old ones."""

    def last_token(self, integration: str, delivery: str) -> int:
        """The highest fencing token the destination has seen for this delivery; 0 where it has seen none."""
        ...

    def last_run(self, integration: str, delivery: str) -> str:
        """The id of the run that it has taken last; empty where it has taken none."""
        ...

    def positions_since(self, integration: str, delivery: str, token: int) -> list[Position]:
        """What runs with this token or a higher one left, oldest first."""
        ...

    def forget(self, integration: str, delivery: str, before_run: str) -> int:
        """Forget the batches of runs whose id is smaller; returns how many.

        The highest token and the last cursors stay.
        """
        ...


@runtime_checkable
class ProvesBatches(Protocol):
    """A destination whose proof says of each batch how many rows it brought."""

    def applied_batches(self, integration: str, delivery: str, run_id: str) -> dict[str, int]:
        """The batches of a run that have a proof, each with the number of rows that it says."""
        ...


class FileDraft(Protocol):
    """A file being written aside."""

    stream: BinaryIO

    def complete(self) -> None:
        """All is written: close the stream, durably. The draft outlives the process until it is published."""
        ...

    def publish(self) -> None:
        """Complete it, and give it its final name."""
        ...

    def discard(self) -> None:
        """Remove what was written aside."""
        ...


class FileDestination(Protocol):
    """A destination of files, whose bytes a format writes."""

    def draft(self, path: str, run_id: str) -> FileDraft:
        """Begin a file at ``path`` (placeholders already filled in), confined to the connection's root."""
        ...

    def existing(self, path: str) -> BinaryIO | None:
        """What stands at ``path`` now, or None."""
        ...

    def finish(self, path: str, run_id: str) -> None:
        """Publish the draft that an earlier try of this run completed; nothing where that is done."""
        ...

    def close(self) -> None:
        """Give back what was opened; called once, always."""
        ...
