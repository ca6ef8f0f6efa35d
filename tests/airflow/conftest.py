"""Fixtures of the tests inside Airflow."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_session import SCRATCH


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Airflow's own database, migrated once."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def integrations() -> Iterator[Path]:
    """The folder that the front door reads, empty at the start and at the end of each test."""
    folder = SCRATCH / "integrations"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Name a connection for one test: ``connect("inbox", "file:///tmp/x")``."""
    return lambda conn_id, uri: monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", uri)
