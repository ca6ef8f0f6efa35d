from pathlib import Path

import pytest

from dragoman.core.errors import Problem
from dragoman.language.compile import compile_content


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    """No test sees another's compiled flows."""
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def compiled(tmp_path):
    """Compiles a text as the file ``job.yaml`` of a folder."""

    def compile_text(text: str | bytes, folder: Path = tmp_path):
        content = text if isinstance(text, bytes) else text.encode()
        return compile_content(content, "job.yaml", folder)

    return compile_text


@pytest.fixture
def problems_of(compiled):
    def of(text: str | bytes) -> list[Problem]:
        return compiled(text).problems

    return of
