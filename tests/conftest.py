"""Fixtures that every suite may use."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres_server import Server, start_postgres, stop_postgres


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--part 1/2``: every second test, from the first; for suites whose parts run side by side."""
    parser.addoption("--part", default="1/1", metavar="N/OF", help="only every OF-th test, from the N-th")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the part that was asked for."""
    number, of = map(int, config.getoption("--part").split("/"))
    items[:] = items[number - 1 :: of]


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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
