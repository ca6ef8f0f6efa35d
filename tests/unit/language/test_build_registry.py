"""The registry is built from manifests; a wrong manifest is refused with its file and line."""

import json
import time

import pytest

from dragoman.core.errors import ConfigError
from dragoman.core.manifest import Registry
from dragoman.core.registry import REGISTRY_FILE, manifests
from dragoman.language.build_registry import build, main

MANIFEST = """\
connector: shelf
title: Shelf
support: tested
summary: A shelf.
source:
  guarantee: All of it.
  can: {cursor: true}
  options:
    table: {type: identifier, help: Table, example: orders}
    wait: {type: duration, help: Wait, default: 5s}
  one_of: [[table]]
destination:
  guarantee: Once.
  can: {modes: [append], visible: run}
  options:
    table: {type: identifier, required: true, help: Table, example: orders}
"""


@pytest.fixture
def built(tmp_path):
    def with_manifest(text: str, folder: str = "shelf") -> str:
        (tmp_path / "connectors" / folder).mkdir(parents=True)
        (tmp_path / "connectors" / folder / "connector.yaml").write_text(text)
        return build(tmp_path)

    return with_manifest


def test_a_good_manifest(built):
    shelf = json.loads(built(MANIFEST))["connectors"]["shelf"]
    assert shelf["source"]["can"]["cursor"] is True
    assert shelf["source"]["options"]["wait"]["default"] == "5s"
    assert shelf["destination"]["can"]["modes"] == ["append"]


def test_it_is_the_same_twice():
    assert build() == build()


def test_check_tells_what_is_stale(monkeypatch, tmp_path, capsys):
    file = tmp_path / "registry.json"
    monkeypatch.setattr("dragoman.language.build_registry.REGISTRY_FILE", file)
    assert main(["--check"]) == 1
    assert "make registry" in capsys.readouterr().err
    assert main([]) == 0
    assert main(["--check"]) == 0
    file.write_text(file.read_text() + " ")
    assert main(["--check"]) == 1


def test_reading_it_takes_about_a_millisecond():
    import msgspec

    content = REGISTRY_FILE.read_bytes()
    began = time.process_time()
    for _ in range(10):
        msgspec.json.decode(content, type=Registry)
    assert (time.process_time() - began) / 10 < 0.005
    assert {"files", "postgres", "sqlite", "duckdb"} <= set(manifests())


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("connector: shelf", "connector: shelv", "manifest.name", 1),
        ("support: tested", "support: sure", "manifest.support", 3),
        ("title: Shelf", "titel: Shelf", "manifest.shape", 1),
        ("help: Table, example: orders}\n    wait", "help: Table, exmple: orders}\n    wait", "manifest.shape", 9),
        ("type: duration", "type: period", "manifest.option_type", 10),
        ("default: 5s", "default: long", "manifest.option.type", 10),
        ("help: Wait, ", "", "manifest.help", 10),
        ("one_of: [[table]]", "one_of: [[tabel]]", "manifest.one_of", 11),
        ("modes: [append]", "modes: [apend]", "manifest.mode", 14),
        ("visible: run", "visible: now", "manifest.visible", 14),
        ("type: duration", "type: enum", "manifest.option", 10),
        ("wait:", "cursor:", "manifest.common_key", 10),
    ],
)
def test_a_wrong_manifest(built, old, new, code, line):
    assert old in MANIFEST
    with pytest.raises(ConfigError) as caught:
        built(MANIFEST.replace(old, new, 1))
    assert [(p.code, p.line) for p in caught.value.problems] == [(code, line)], str(caught.value)
    assert caught.value.problems[0].file.endswith("shelf/connector.yaml")
