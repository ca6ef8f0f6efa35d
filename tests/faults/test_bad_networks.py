"""PostgreSQL and an API behind a network that fails after so many bytes: red at worst, and the next run ends it."""

from __future__ import annotations

import os
import subprocess
from itertools import product
from pathlib import Path

import pytest

from dragoman.testing.checker import judge
from dragoman.testing.fault_server import fault_server
from dragoman.testing.tcp_proxy import Trouble, tcp_proxy
from fault_cells import CellShop, claims_of
from fault_stories import STORIES
from fault_stories_rest import rest_story
from workshop import warm_command

FULL = os.environ.get("DRAGOMAN_MATRIX") == "full"
WAYS = list(product(["reset", "truncate", "blackhole"], ["up", "down"]))
DATABASE = [
    (do, way, after)
    for do in ("reset", "truncate")
    for way, after in (
        ("up", 1),
        ("up", 500),
        ("up", 4_000),
        ("up", 9_000),
        ("up", 14_000),
        ("down", 1),
        ("down", 400),
        ("down", 900),
    )
]
API = [
    (mode, *way, after)
    for mode in ("key", "external id", "read-back")
    for way in WAYS
    for after in (1, 150, 900, 3_000)
]
STEP = 1 if FULL else 8
"""In CI every fifth of them."""


@pytest.mark.parametrize(("do", "direction", "after"), DATABASE[::STEP])
@pytest.mark.parametrize("name", ["postgres append", "postgres upsert, second run"])
def test_a_database_behind_a_bad_network(
    name: str, do: str, direction: str, after: int, tmp_path: Path, postgres: str
) -> None:
    story = STORIES[name]
    shop = CellShop(tmp_path)
    shop.command = warm_command()
    port = int(postgres.rpartition(":")[2].partition("/")[0])
    with tcp_proxy("127.0.0.1", port) as proxy:
        shop.connections["pg"] = postgres.replace(f":{port}/", f":{proxy.port}/")
        story.prepare(shop)
        proxy.trouble = Trouble(do, direction, after=after)
        first = shop.run(*story.words, timeout=170)
        assert first.returncode in {0, 1}, first.stderr
        proxy.trouble = Trouble()
        for _try in range(2):
            done = shop.run(*story.again)
        shop.connections["pg"] = postgres
        verdict = judge(
            story.expected, story.found(shop), claims_of(shop), exit_code=done.returncode, counted=story.counted
        )
    assert not verdict.faults, f"{verdict}\nfirst: {first.returncode} {first.stderr[-300:]}\n{done.stderr[-300:]}"


@pytest.mark.parametrize("after", [500, 9_000])
def test_a_run_that_hangs_on_a_silent_database_is_ended_and_the_next_one_ends_it(
    after: int, tmp_path: Path, postgres: str
) -> None:
    """A peer that is alive and says nothing is waited for until somebody ends the process."""
    story = STORIES["postgres append"]
    shop = CellShop(tmp_path)
    shop.command = warm_command()
    port = int(postgres.rpartition(":")[2].partition("/")[0])
    shop.connections["pg"] = postgres
    story.prepare(shop)
    with tcp_proxy("127.0.0.1", port, Trouble("blackhole", "up", after=after)) as proxy:
        shop.connections["pg"] = postgres.replace(f":{port}/", f":{proxy.port}/")
        with pytest.raises(subprocess.TimeoutExpired):
            shop.run(*story.words, timeout=4)
    shop.connections["pg"] = postgres
    for _try in range(2):
        done = shop.run(*story.again)
    verdict = judge(story.expected, story.found(shop), claims_of(shop), exit_code=done.returncode)
    assert not verdict.faults, f"{verdict}\n{done.stderr[-300:]}"


@pytest.mark.parametrize(("mode", "do", "direction", "after"), API[::STEP])
def test_an_api_behind_a_bad_network(mode: str, do: str, direction: str, after: int, tmp_path: Path) -> None:
    story = rest_story(mode, 7)
    shop = CellShop(tmp_path)
    shop.command = warm_command()
    with (
        fault_server(**story.api or {}) as shop.api,
        tcp_proxy("127.0.0.1", int(shop.api.url[-5:].strip(":"))) as proxy,
    ):
        shop.connections["api"] = f"http://127.0.0.1:{proxy.port}?allow_private=true"
        story.prepare(shop)
        proxy.trouble = Trouble(do, direction, after=after, nth=1)
        for _try in range(3):
            done = shop.run(*story.again)
        verdict = judge(story.expected, story.found(shop), claims_of(shop), exit_code=done.returncode)
    assert not verdict.faults, f"{verdict}\n{done.stderr[-300:]}"
