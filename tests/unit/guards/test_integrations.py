"""Every integration, template and example parses: what a newcomer copies must not be broken."""

from pathlib import Path

import pytest

from dragoman.language import check_files

TOP = Path(__file__).parents[3]
FILES = [
    path
    for folder in ("dags/integrations", "include/templates", "docs/examples")
    for path in sorted((TOP / folder).glob("*.yaml"))
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_parses(path):
    assert [str(problem) for problem in check_files([path])] == []


def test_there_are_some():
    assert len(FILES) >= 3
