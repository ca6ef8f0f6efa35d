"""A cheaper ``postgres`` fixture: one database per module, swept clean after each test.

Import both names into a test module to use it; a database of its own costs ten times as much.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from postgres_server import Server

__all__ = ["database", "postgres"]


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[str]:
    url = postgres_server.fresh_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def postgres(database: str) -> Iterator[str]:
    """The URL of an empty database."""
    yield database
    with psycopg.connect(database, autocommit=True) as server:
        server.execute("SET lock_timeout = '5s'")
        server.execute(  # a test that failed may have left a transaction open
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        schemas = server.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        ).fetchall()
        for (schema,) in schemas:
            server.execute(f'DROP SCHEMA "{schema}" CASCADE')
        server.execute("CREATE SCHEMA public")
        server.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        server.execute(f"ALTER DATABASE {database.rpartition('/')[2]} RESET ALL")
