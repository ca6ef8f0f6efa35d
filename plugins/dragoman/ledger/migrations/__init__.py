"""The ledger's migrations, which Alembic runs."""
