"""Every story, stopped at every failpoint on its way: in the end nothing is lost, doubled, changed, hidden or stuck.

``make faults`` tries the whole matrix, the suite in CI a cut of it. Which failpoints lie on a way a dry pass tells, so a
new commit point is in by itself; one that no story passes and no test names fails here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from dragoman.core.failpoints import FAILPOINTS
from dragoman.testing.faults import TARGET_FAULTS
from fault_cells import Cell, Matrix, Result, cells_on
from fault_stories import STORIES as OTHER_STORIES
from fault_stories import Story
from fault_stories_rest import BATCHES, MODES, OPEN_REQUEST, REST_STORIES, rest_story
from pairwise import all_pairs

HERE = Path(__file__).parent
STORIES = {**OTHER_STORIES, **REST_STORIES}
FULL = os.environ.get("DRAGOMAN_MATRIX") == "full"
ELSEWHERE = {
    "circuit.claimed": "test_circuit.py",
    "replay.claimed": "test_kill_replay.py",
    "replay.batch.recorded": "test_kill_replay.py",
    "receipts.merged": "test_receipts.py",
    "receipts.repointed": "test_receipts.py",
}
"""Failpoints that lie on no story's way: the file here that stops the program at them."""


CUT = (
    "sqlite append, second run",
    "postgres append, second run",
    "duckdb upsert, second run",
    "duckdb replace",
    "file_per_batch append",
    *(name for name in REST_STORIES if name not in {"REST, key, by 7", "REST, nothing, by 7"}),
)
"""Left to the whole matrix: each has a sibling here that passes the same commit points."""
TRIED = [name for name in STORIES if FULL or name not in CUT]
LATER = ("sqlite append", "postgres append", "file append", "REST, key, by 7", "REST, nothing, by 7")
"""In CI the stories that are stopped at the last passing of each failpoint, too."""
KILLS = (
    "",
    *sorted(OPEN_REQUEST),
    *(["deliver.batch.settled", "deliver.prepared", "deliver.recorded"] if FULL else []),
)

PAIRS = all_pairs(list(TARGET_FAULTS), list(MODES), BATCHES, KILLS)


@pytest.mark.parametrize("name", TRIED)
def test_stopped_at_any_failpoint_it_ends_as_if_it_had_not_been(
    name: str, matrix: Matrix, dry: Callable[[str], Result]
) -> None:
    passed = dry(name)
    assert not passed.verdict.faults, str(passed)
    results = matrix.all_of(
        (stopped(name, cell.failpoint), cell) for cell in cells_on(passed, full=FULL, later=name in LATER)
    )
    assert len(results) >= 10
    short = [str(result) for result in results if result.verdict.faults]
    assert not short, "\n".join(short)


@pytest.mark.parametrize("fault", TARGET_FAULTS)
def test_whatever_an_api_does_wrong_and_wherever_it_is_killed_then(fault: str, matrix: Matrix) -> None:
    """The suite tries each pair of fault, way of settling, size of batch and kill once; the whole matrix all of them."""
    ways = product(TARGET_FAULTS, MODES, BATCHES, KILLS) if FULL else PAIRS
    cells = []
    for wrong, mode, batch, kill in ways:
        if wrong == fault:
            story = rest_story(mode, batch, fault=fault, failpoint=kill)
            nth = 2 if kill in OPEN_REQUEST else 1
            cells.append((story, Cell(story.name, kill, nth, "kill" if kill else "", fault)))
    results = matrix.all_of(cells)
    assert results
    short = [str(result) for result in results if result.verdict.faults]
    assert not short, "\n".join(short)


def stopped(name: str, failpoint: str) -> Story:
    """The story, with what may be in doubt when it is stopped there."""
    if name not in REST_STORIES:
        return STORIES[name]
    mode, batch = name.split(", ")[1:]
    return rest_story(mode, int(batch.removeprefix("by ")), failpoint=failpoint)


def test_a_destination_that_is_short_or_doubled_is_seen(matrix: Matrix) -> None:
    story = STORIES["sqlite append"]
    cell = Cell(story.name, "deliver.committed", 1, "kill")
    kept = len(matrix.results)
    (short,) = matrix.all_of([(replace(story, found=lambda shop: story.found(shop)[:-1]), cell)])
    (double,) = matrix.all_of([(replace(story, found=lambda shop: story.found(shop) * 2), cell)])
    del matrix.results[kept:]
    assert {fault.kind for fault in short.verdict.faults} >= {"lost", "lie", "false_green"}
    assert {fault.kind for fault in double.verdict.faults} >= {"doubled", "lie", "false_green"}


def test_at_least_ten_failpoints_lie_on_the_way_of_a_csv_append(dry: Callable[[str], Result]) -> None:
    for name in ("sqlite append", "postgres append", "duckdb append"):
        assert len(dry(name).passed) >= 10, sorted(dry(name).passed)


def test_every_failpoint_lies_on_a_way_or_is_struck_by_a_test_here(dry: Callable[[str], Result]) -> None:
    passed = {point for name in TRIED for point in dry(name).passed}
    for point, file in ELSEWHERE.items():
        assert f'"{point}' in (HERE / file).read_text()
    unproven = set(FAILPOINTS) - passed - set(ELSEWHERE)
    assert not unproven, f"no story of tests/fault_stories.py passes them, and ELSEWHERE names no test: {unproven}"
    assert not set(ELSEWHERE) & passed, "they lie on a story's way and need no line in ELSEWHERE"
