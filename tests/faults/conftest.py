"""The fault matrix of a session, and its table at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fault_cells import Matrix, Result
from fault_stories import STORIES
from fault_stories_rest import REST_STORIES
from fault_table import table_of
from postgres_server import Server

RESULTS: list[Result] = []
FULL = os.environ.get("DRAGOMAN_MATRIX") == "full"


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Matrix]:
    """Tries cells; a database is made when the first story asks for one."""

    def database() -> tuple[str, Callable[[], None]]:
        server: Server = request.getfixturevalue("postgres_server")
        url = server.fresh_database()
        return url, lambda: server.drop_database(url)

    matrix = Matrix(Path(tmp_path_factory.mktemp("cells")), database)
    matrix.results = RESULTS
    request.getfixturevalue("postgres_server")
    yield matrix
    matrix.close()


@pytest.fixture(scope="session")
def dry(matrix: Matrix) -> Callable[[str], Result]:
    """The dry pass of a story, made once."""
    made: dict[str, Result] = {}

    def of(story: str) -> Result:
        if story not in made:
            made[story] = matrix.dry((STORIES | REST_STORIES)[story])
        return made[story]

    return of


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, where the matrix has been tried."""
    if RESULTS:
        terminalreporter.section("fault matrix" + (", whole" if FULL else ", cut for CI"))
        for line in table_of(RESULTS):
            terminalreporter.write_line(line)
