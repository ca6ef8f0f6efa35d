"""Fixtures that every suite may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres_server import Server, start_postgres, stop_postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One real PostgreSQL for the whole session, started when the first test asks for it."""
    server = start_postgres()
    yield server
    stop_postgres(server)


@pytest.fixture
def postgres(postgres_server: Server) -> Iterator[str]:
    """The URL of a fresh database of this test alone: ``postgresql://dragoman@127.0.0.1:PORT/NAME``."""
    url = postgres_server.fresh_database()
    yield url
    postgres_server.drop_database(url)
