"""Every failpoint stands in the code at its place; that a test stops the program there the fault matrix holds."""

from pathlib import Path

import pytest

from dragoman.core.failpoints import FAILPOINTS

TOP = Path(__file__).parents[3]


@pytest.mark.parametrize("point", FAILPOINTS.values(), ids=list(FAILPOINTS))
def test_every_failpoint_has_its_place(point):
    assert f'"{point.name}"' in (TOP / "plugins/dragoman" / point.where).read_text()


def test_the_fault_matrix_asks_for_every_failpoint():
    assert "set(FAILPOINTS) - passed" in (TOP / "tests/faults/test_matrix.py").read_text()
