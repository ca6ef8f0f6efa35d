"""The machine's clock jumps between tries, backwards and forwards, also after a kill."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from dragoman.testing.checker import judge
from fault_cells import claims_of
from fault_stories import STORIES
from workshop import Workshop

YEAR = 365 * 86_400


@pytest.mark.parametrize("jumps", [(-YEAR, YEAR), (YEAR, -YEAR), (-60, 0)], ids=str)
@pytest.mark.parametrize("point", ["run.opened", "extract.sealed", "deliver.prepared", "deliver.committed"])
def test_a_clock_that_jumps_loses_and_doubles_nothing(point: str, jumps: tuple[int, int], tmp_path: Path) -> None:
    story = STORIES["sqlite append, second run"]
    shop = Workshop(tmp_path)
    story.prepare(shop)
    first, second = (str(jump) for jump in jumps)
    killed = shop.run(*story.words, failpoint=f"{point}:1:kill", TEST_CLOCK_OFFSET=first)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert shop.run(*story.words, TEST_CLOCK_OFFSET=second).returncode == 0
    done = shop.run(*story.words, TEST_CLOCK_OFFSET=first)
    verdict = judge(story.expected, story.found(shop), claims_of(shop), exit_code=done.returncode)
    assert not verdict.faults, str(verdict)
