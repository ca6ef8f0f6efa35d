"""How Alembic runs the ledger's migrations: on the connection and within the transaction that it is given."""

from __future__ import annotations

from alembic import context

from dragoman.ledger import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=tables.version.name,
    render_as_batch=True,
)
context.run_migrations()
