"""Every failpoint stands in the code at its place, and a test names it or walks through all of them."""

from pathlib import Path

import pytest

from dragoman.core.failpoints import FAILPOINTS

TOP = Path(__file__).parents[3]
HERE = Path(__file__).parent


@pytest.mark.parametrize("point", FAILPOINTS.values(), ids=list(FAILPOINTS))
def test_every_failpoint_has_a_place_and_a_test(point):
    assert f'"{point.name}"' in (TOP / "plugins/dragoman" / point.where).read_text()
    tests = [path.read_text() for path in (TOP / "tests").rglob("*.py") if HERE not in path.parents]
    assert any(f'"{point.name}' in text or "in FAILPOINTS" in text for text in tests)
