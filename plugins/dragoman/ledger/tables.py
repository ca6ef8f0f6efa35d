"""The ledger's tables. ``migrations/`` brings an older ledger here; a test proves that both agree.

Names begin with ``dragoman_``, so that the ledger may share a database. JSON is kept as text: it is read whole, never
searched. Payloads of records are never here, only where in the stage they lie.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

__all__ = [
    "REVISIONS",
    "audit",
    "batch",
    "breaker",
    "cursor",
    "good_copy",
    "intent",
    "lease",
    "mark",
    "metadata",
    "node",
    "notice",
    "receipt",
    "receipt_start",
    "reject",
    "run",
    "secret",
    "version",
]

REVISIONS = ("0001",)
"""The schema's revisions in their order; the last one is what this program needs."""


class Moment(TypeDecorator[datetime]):
    """A moment with its offset; SQLite keeps it as text in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To UTC."""
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """With UTC as its offset, whatever the database's session says."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

_Id = BigInteger().with_variant(Integer, "sqlite")

version = Table("dragoman_version", metadata, Column("version_num", String(32), primary_key=True))

run = Table(
    "dragoman_run",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("integration", String(250), nullable=False),
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("trigger", String(250), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("interval", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("bounds", Text, nullable=False),
    Column("figures", Text, nullable=False),
    Column("error_code", String(64), nullable=False),
    Column("error", Text, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("late_at", Moment),
    Index("dragoman_run_of", "integration", "opened_at"),
)

batch = Table(
    "dragoman_batch",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("node", String(250), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
)

node = Table(
    "dragoman_node",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("node", String(250), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("counts", Text, nullable=False),
    Column("cursor", Text),
    Column("marks", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

cursor = Table(
    "dragoman_cursor",
    metadata,
    Column("integration", String(250), primary_key=True),
    Column("node", String(250), primary_key=True),
    Column("value", Text, nullable=False),
    Column("run_id", String(64), nullable=False),
)

mark = Table(
    "dragoman_mark",
    metadata,
    Column("integration", String(250), primary_key=True),
    Column("node", String(250), primary_key=True),
    Column("key", String(1000), primary_key=True),
    Column("value", Text, nullable=False),
    Column("run_id", String(64), nullable=False),
)

lease = Table(
    "dragoman_lease",
    metadata,
    Column("integration", String(250), primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("host", String(255), nullable=False),
    Column("machine", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String(64), nullable=False),
    Column("taken_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)

reject = Table(
    "dragoman_reject",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("integration", String(250), nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("node", String(250), nullable=False),
    Column("code", String(64), nullable=False),
    Column("field", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("position", Text, nullable=False),
    Column("rid", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("row", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("claimed_as", String(16), nullable=False),
    Column("replay_run", String(64), nullable=False),
    Column("corrected", Text, nullable=False),
    Column("corrected_sha256", String(64), nullable=False),
    Index("dragoman_reject_of_run", "run_id", "node"),
    Index("dragoman_reject_open", "integration", "state"),
    Index("dragoman_reject_claimed", "replay_run"),
)

audit = Table(
    "dragoman_audit",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", String(250), nullable=False),
    Column("what", String(64), nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Index("dragoman_audit_of_run", "run_id"),
)

good_copy = Table(
    "dragoman_good_copy",
    metadata,
    Column("file", String(1000), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("saved_at", Moment, nullable=False),
)

notice = Table(
    "dragoman_notice",
    metadata,
    Column("integration", String(250), primary_key=True),
    Column("subject", String(250), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("target", String(32), primary_key=True),
    Column("event", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("noted_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Index("dragoman_notice_in_state", "state", "integration"),
)

intent = Table(
    "dragoman_intent",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("node", String(250), primary_key=True),
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("request", Integer, primary_key=True, autoincrement=False),
    Column("rows", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("outcomes", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("noted_at", Moment, nullable=False),
)
"""Requests of item deliveries: written before they are sent, settled after. A settled batch is one row that points at
a stage file with its outcomes."""

receipt = Table(
    "dragoman_receipt",
    metadata,
    Column("integration", String(250), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("run_id", String(64), nullable=False),
    Column("node", String(250), nullable=False),
    Column("batch", Integer, nullable=False),
    Column("rid_base", BigInteger, nullable=False),
    Column("keyed_by", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("chain", String(64), nullable=False),
    Column("noted_at", Moment, nullable=False),
    Index("dragoman_receipt_of_run", "run_id", "node"),
)
"""One sidecar of receipts per delivered batch. ``sha256`` is over what the receipts say, ``file_sha256`` over the bytes
of the file that holds them now (a sidecar, or a larger file that several were merged into); ``chain`` is the hash over
the link before and this one."""

receipt_start = Table(
    "dragoman_receipt_start",
    metadata,
    Column("integration", String(250), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("chain", String(64), nullable=False),
    Column("cut_at", Moment, nullable=False),
)
"""Where an integration's chain begins after its oldest links were removed: the last removed link."""

secret = Table(
    "dragoman_secret",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("made_at", Moment, nullable=False),
)
"""Secrets of this installation, made at their first use."""

breaker = Table(
    "dragoman_breaker",
    metadata,
    Column("connection", String(250), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("throttled", Integer, nullable=False),
    Column("openings", Integer, nullable=False),
    Column("code", String(64), nullable=False),
    Column("error", Text, nullable=False),
    Column("probe", String(64), nullable=False),
    Column("until", Float, nullable=False),
    Column("since", Moment),
    Column("changed_at", Moment, nullable=False),
)
"""The circuit breaker of each connection; ``until`` is by the database's clock."""
