"""The cheaper fixture ``postgres`` for this folder."""

from shared_database import database, postgres

__all__ = ["database", "postgres"]
