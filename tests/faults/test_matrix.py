"""Every story, stopped at every failpoint on its way: in the end nothing is lost, doubled, changed, hidden or stuck.

``make faults`` tries the whole matrix, the suite in CI a cut of it. Which failpoints lie on a way a dry pass tells, so a
new commit point is in by itself; one that no story passes and no test names fails here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.core.failpoints import FAILPOINTS
from fault_cells import Cell, Matrix, Result, cells_on
from fault_stories import STORIES

HERE = Path(__file__).parent
FULL = os.environ.get("DRAGOMAN_MATRIX") == "full"
ELSEWHERE: dict[str, str] = {
    "deliver.intent.recorded": "test_item_kills.py",
    "deliver.request.answered": "test_item_kills.py",
    "deliver.outcomes.recorded": "test_item_kills.py",
    "deliver.batch.settled": "test_item_kills.py",
    "replay.claimed": "test_kill_replay.py",
    "replay.batch.recorded": "test_kill_replay.py",
    "circuit.claimed": "test_circuit.py",
}
"""Failpoints that lie on no story's way: the file here that stops the program at them."""


@pytest.mark.parametrize("name", STORIES)
def test_stopped_at_any_failpoint_it_ends_as_if_it_had_not_been(
    name: str, matrix: Matrix, dry: Callable[[str], Result]
) -> None:
    passed = dry(name)
    assert not passed.verdict.faults, str(passed)
    results = matrix.all_of(STORIES[name], cells_on(passed, full=FULL))
    assert len(results) >= 10
    short = [str(result) for result in results if result.verdict.faults]
    assert not short, "\n".join(short)


def test_a_destination_that_is_short_or_doubled_is_seen(matrix: Matrix) -> None:
    story = STORIES["sqlite append"]
    cells = [Cell(story.name, "deliver.committed", 1, "kill")]
    kept = len(matrix.results)
    (short,) = matrix.all_of(replace(story, found=lambda shop: story.found(shop)[:-1]), cells)
    (double,) = matrix.all_of(replace(story, found=lambda shop: story.found(shop) * 2), cells)
    del matrix.results[kept:]
    assert {fault.kind for fault in short.verdict.faults} >= {"lost", "lie", "false_green"}
    assert {fault.kind for fault in double.verdict.faults} >= {"doubled", "lie", "false_green"}


def test_at_least_ten_failpoints_lie_on_the_way_of_a_csv_append(dry: Callable[[str], Result]) -> None:
    for name in ("sqlite append", "postgres append", "duckdb append"):
        assert len(dry(name).passed) >= 10, sorted(dry(name).passed)


def test_every_failpoint_lies_on_a_way_or_is_struck_by_a_test_here(dry: Callable[[str], Result]) -> None:
    passed = {point for name in STORIES for point in dry(name).passed}
    for point, file in ELSEWHERE.items():
        assert f'"{point}:' in (HERE / file).read_text()
    unproven = set(FAILPOINTS) - passed - set(ELSEWHERE)
    assert not unproven, f"no story of tests/fault_stories.py passes them, and ELSEWHERE names no test: {unproven}"
    assert not set(ELSEWHERE) & passed, "they lie on a story's way and need no line in ELSEWHERE"
