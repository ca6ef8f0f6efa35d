"""Fixtures of the tests inside Airflow."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from airflow_session import SCRATCH


@pytest.fixture(scope="session")
def airflow_db() -> Path:
    """Airflow's own database, migrated once; returns a copy of it as it was before any test."""
    from airflow.utils.db import initdb

    initdb()
    fresh = SCRATCH / "migrated.db"
    with (
        closing(sqlite3.connect(SCRATCH / "airflow" / "airflow.db")) as source,
        closing(sqlite3.connect(fresh)) as copy,
    ):
        source.backup(copy)
    return fresh


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
