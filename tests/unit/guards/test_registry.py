"""``registry.json`` is what the manifests give today."""

from pathlib import Path

from dragoman.language.build_registry import build

REGISTRY = Path(__file__).parents[3] / "plugins/dragoman/registry.json"


def test_the_registry_is_fresh():
    assert REGISTRY.read_text() == build(), "stale: make registry"
