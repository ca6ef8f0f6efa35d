"""What travels: batches of records, and the records that could not.

A batch is a ``pyarrow.Table`` plus what it needs to be accounted for. Hidden columns start with an underscore and
never reach a destination: ``_position`` (where each record stood in the source), ``_rid`` (which record an output
comes from), ``_line`` (which line of its record an output comes from), ``_record`` (the id that a record got when it
was first read, ``<run_id>:<rid>``: what is replayed keeps it), ``_version`` (what tells this state of a record apart
within its source, by whichever run it is read) and ``_only`` (which parts of a replayed record are sent).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

import dragoman.core.arrow_alone  # noqa: F401 - settles how Arrow starts

__all__ = [
    "HIDDEN",
    "LINE",
    "LINE_BITS",
    "ONLY",
    "POSITION",
    "RECORD",
    "RID",
    "VERSION",
    "ReadBatch",
    "ReadEnd",
    "ReadKeys",
    "Refused",
    "Reject",
    "has_versions",
    "is_deleted",
    "position_of",
    "version_of",
    "visible",
]

POSITION = "_position"
RID = "_rid"
RECORD = "_record"
VERSION = "_version"
LINE = "_line"
ONLY = "_only"
HIDDEN = (POSITION, RID, RECORD, VERSION, LINE, ONLY)
LINE_BITS = 24
"""A line of a line is ``outer << LINE_BITS | inner``; lines count from 1."""
ORIGIN = b"dragoman:origin"
FIRST = b"dragoman:first"
DELETED = b"dragoman:deleted"
STAMP = b"dragoman:stamp"


@dataclass
class Reject:
    """One record (or output) that is not delivered, and why.

    ``original`` is the record as JSON text in the source's own words, or the raw line where it could not be read;
    ``mapped`` is the output as JSON text where it got that far; ``answer`` is the target's own answer.
    ``stage`` is ``read``, ``translate`` or ``deliver``, or ``erase`` where the record says that it is gone: to send
    such a one again is to erase it again. ``rid`` is the record's id within the run, -1 if unreadable.
    ``in_doubt``: nobody can tell whether it has arrived. ``line``: the line of the record's list, where not all of the
    record is rejected; else 0. ``record`` and ``only``: the hidden columns of a record that was replayed; ``version``:
    see ``version_of``. ``shape``:
    the columns that it was staged with, as ``steps/staged_columns.py`` packs them.
    """

    code: str
    message: str
    stage: str
    field: str = ""
    position: str = ""
    original: str | None = None
    mapped: str | None = None
    answer: str | None = None
    rid: int = -1
    in_doubt: bool = False
    line: int = 0
    record: str = ""
    version: str = ""
    only: str = ""
    shape: str = ""


@dataclass
class ReadBatch:
    """Records as one piece of a source gave them.

    ``table``: staged columns (see ``fieldtype``), and optionally ``_position``: int64 (a line, an index) or string
    (said whole). Without it the records stand at ``first``, ``first + 1``, … of ``origin``.
    ``stamp``: what tells this content of ``origin`` from an earlier or later one (a file's time of change, an ETag).
    ``deleted``: the source has these records no longer; of each only the columns of the deliveries' keys matter.
    ``rejects``: unreadable records; ``read`` counts them in. ``filtered``: dropped duplicates, counted in by reason.
    """

    table: pa.Table
    origin: str = ""
    first: int = 1
    rejects: list[Reject] = field(default_factory=list)
    filtered: dict[str, int] = field(default_factory=dict)
    stamp: str = ""
    deleted: bool = False

    @property
    def read(self) -> int:
        """Records read: handed on, unreadable and dropped."""
        return int(self.table.num_rows) + len(self.rejects) + sum(self.filtered.values())


@dataclass
class ReadKeys:
    """Keys of all the records that the source has now, in one or several pieces, in the snapshot of what was read.

    ``table``: the columns of ``ReadRequest.keys`` as staged; ``schema``: the staged columns of a whole record.
    """

    table: pa.Table
    schema: pa.Schema


@dataclass
class ReadEnd:
    """The source's own word that it has been read to its end; a reading without it is red.

    ``cursor``: the position to go on from next time, as JSON-able values in the source's own text, or None.
    ``marks``: things that must not be read again (path -> fingerprint), committed with the closed run.
    ``nothing_new``: no record is no fault (an incremental read, a pattern that matched no new file).
    """

    cursor: Mapping[str, Any] | None = None
    marks: Mapping[str, str] = field(default_factory=dict)
    nothing_new: bool = False


@dataclass(frozen=True)
class Refused:
    """One output that a destination refused on its own, by its row in the table that was sent (0-based).

    ``in_doubt``: it was not refused; nobody can tell whether it has arrived.
    """

    row: int
    code: str
    message: str
    field: str = ""
    answer: str = ""
    in_doubt: bool = False


def with_origin(batch: ReadBatch) -> pa.Table:
    """The batch's table with its origin in the schema's metadata, as it is staged."""
    metadata = dict(batch.table.schema.metadata or {})
    metadata |= {ORIGIN: batch.origin.encode(), FIRST: str(batch.first).encode()}
    if batch.stamp:
        metadata[STAMP] = batch.stamp.encode()
    if batch.deleted:
        metadata[DELETED] = b"1"
    return batch.table.replace_schema_metadata(metadata)


def is_deleted(table: pa.Table) -> bool:
    """Whether a staged batch holds records that the source has no longer."""
    return DELETED in (table.schema.metadata or {})


def position_of(table: pa.Table, row: int) -> str:
    """Where a staged record stood in its source: ``orders.csv:17``, or the text that the source gave."""
    metadata = table.schema.metadata or {}
    origin = metadata.get(ORIGIN, b"").decode()
    if POSITION in table.column_names:
        value = table.column(POSITION)[row].as_py()
        if isinstance(value, str):
            return value
    else:
        value = int(metadata.get(FIRST, b"1")) + row
    return f"{origin}:{value}" if origin else str(value)


def has_versions(table: pa.Table) -> bool:
    """Whether ``version_of`` is known of any record of a staged batch."""
    return VERSION in table.column_names or STAMP in (table.schema.metadata or {})


def version_of(table: pa.Table, row: int) -> str:
    """What tells a staged record's state apart, whoever reads it: its place in a file as it was; empty if unknown."""
    if VERSION in table.column_names:
        return str(table.column(VERSION)[row].as_py() or "")
    stamp = (table.schema.metadata or {}).get(STAMP, b"").decode()
    return f"{position_of(table, row)}@{stamp}" if stamp else ""


def visible(table: pa.Table) -> pa.Table:
    """The table without its hidden columns."""
    return table.select([name for name in table.column_names if name not in HIDDEN])
