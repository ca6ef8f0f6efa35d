"""One cluster for all tests of this folder: it takes half a minute to start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.cluster.site import Site, running_site
from scripts.cluster.story import Story

NAMES = tuple(f"orders_{number}" for number in range(1, 7))


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Six integrations."""
    story = Story(Path(tmp_path_factory.mktemp("cluster")) / "story", NAMES)
    story.lay_out()
    return story


@pytest.fixture(scope="session")
def site(story: Story) -> Iterator[Site]:
    """The running cluster, which knows them."""
    with running_site(story.integrations, story.connections) as site:
        story.connect(site)
        yield site
