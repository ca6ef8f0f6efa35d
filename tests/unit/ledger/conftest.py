"""One suite, two databases: each test that asks for ``ledger`` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.ledger import tables
from dragoman.ledger.ledger import Ledger, open_ledger
from postgres_server import Server


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a ledger that does not exist yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return str(request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new ledger in a file, to be copied: making one takes longer than a test."""
    file = tmp_path_factory.mktemp("template") / "ledger.db"
    open_ledger(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def postgres_ledger(postgres_server: Server) -> Iterator[Ledger]:
    """One ledger in PostgreSQL, which each test finds empty."""
    url = postgres_server.fresh_database()
    opened = open_ledger(url)
    yield opened
    opened.close()
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "ledger.db")
        opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
        yield opened
        opened.close()
        return
    opened = request.getfixturevalue("postgres_ledger")
    with opened._db.write() as connection:
        for table in tables.metadata.sorted_tables:
            if table is not tables.version:
                connection.execute(table.delete())
    yield opened
