"""The first schema of the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "dragoman_run",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("integration", sa.String(250), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("trigger", sa.String(250), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("bounds", sa.Text(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("error_code", sa.String(64), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("late_at", sa.DateTime(timezone=True)),
    )
    op.create_index("dragoman_run_of", "dragoman_run", ["integration", "opened_at"])
    op.create_table(
        "dragoman_batch",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("node", sa.String(250), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "dragoman_node",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("node", sa.String(250), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text()),
        sa.Column("marks", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "dragoman_cursor",
        sa.Column("integration", sa.String(250), primary_key=True),
        sa.Column("node", sa.String(250), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
    )
    op.create_table(
        "dragoman_mark",
        sa.Column("integration", sa.String(250), primary_key=True),
        sa.Column("node", sa.String(250), primary_key=True),
        sa.Column("key", sa.String(1000), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
    )
    op.create_table(
        "dragoman_lease",
        sa.Column("integration", sa.String(250), primary_key=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("machine", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.String(64), nullable=False),
        sa.Column("taken_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "dragoman_reject",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("integration", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("node", sa.String(250), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("claimed_as", sa.String(16), nullable=False),
        sa.Column("replay_run", sa.String(64), nullable=False),
        sa.Column("corrected", sa.Text(), nullable=False),
        sa.Column("corrected_sha256", sa.String(64), nullable=False),
    )
    op.create_index("dragoman_reject_of_run", "dragoman_reject", ["run_id", "node"])
    op.create_index("dragoman_reject_open", "dragoman_reject", ["integration", "state"])
    op.create_index("dragoman_reject_claimed", "dragoman_reject", ["replay_run"])
    op.create_table(
        "dragoman_audit",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(250), nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_index("dragoman_audit_of_run", "dragoman_audit", ["run_id"])
    op.create_table(
        "dragoman_good_copy",
        sa.Column("file", sa.String(1000), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "dragoman_notice",
        sa.Column("integration", sa.String(250), primary_key=True),
        sa.Column("subject", sa.String(250), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("target", sa.String(32), primary_key=True),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("dragoman_notice_in_state", "dragoman_notice", ["state", "integration"])
    op.create_table(
        "dragoman_intent",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("node", sa.String(250), primary_key=True),
        sa.Column("batch", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("request", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("rows", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("outcomes", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "dragoman_receipt",
        sa.Column("integration", sa.String(250), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("node", sa.String(250), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("rid_base", sa.BigInteger(), nullable=False),
        sa.Column("keyed_by", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("dragoman_receipt_of_run", "dragoman_receipt", ["run_id", "node"])
    op.create_table(
        "dragoman_receipt_start",
        sa.Column("integration", sa.String(250), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.Column("cut_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "dragoman_secret",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "dragoman_breaker",
        sa.Column("connection", sa.String(250), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("throttled", sa.Integer(), nullable=False),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("probe", sa.String(64), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True)),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    for table in ("breaker", "secret", "receipt_start", "receipt", "intent", "notice", "good_copy", "audit", "reject", "lease", "mark", "cursor", "node", "batch", "run"):
        op.drop_table(f"dragoman_{table}")
