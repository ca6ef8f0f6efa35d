"""The cheaper fixture ``postgres`` for this folder, and ``target``: one SQL system after the other."""

import pytest

from shared_database import database, postgres
from sql_targets import SYSTEMS, Target

__all__ = ["database", "postgres", "target"]


@pytest.fixture(params=SYSTEMS)
def target(request, tmp_path):
    name = request.param
    if name == "postgres":
        url = request.getfixturevalue("postgres")
        return Target(name, url, url)
    path = tmp_path / f"out.{name}"
    return Target(name, f"{name}:///{path}", str(path))
