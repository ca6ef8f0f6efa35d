"""What manifests say of combinations of options: promises, what is wrong, examples."""

from __future__ import annotations

import json

import pytest
import yaml

from dragoman.core.errors import ConfigError
from dragoman.core.manifest import Case, DestinationRole
from dragoman.core.option_terms import all_hold, guarantee_of, told
from dragoman.core.registry import manifests
from dragoman.language.build_registry import build

MANIFEST = """\
connector: shelf
title: Shelf
support: tested
summary: A shelf.
destination:
  guarantee: Once.
  guarantees:
    - {given: [label.name], says: By key.}
  wrong:
    - {given: [label.name, "path{}"], says: a key beside a placeholder, expected: one of them}
  can: {modes: [append], visible: run}
  options:
    path: {type: text, required: true, help: Path, example: /x}
    label: {type: object, short: name, help: Key, fields: {name: {type: text, help: Name}, size: {type: integer, default: 5, help: Size}}}
  examples:
    - title: By key
      write: {path: /x, label: {name: a}, mode: append}
"""


@pytest.fixture
def built(tmp_path):
    def with_manifest(text: str) -> str:
        (tmp_path / "connectors" / "shelf").mkdir(parents=True)
        (tmp_path / "connectors" / "shelf" / "connector.yaml").write_text(text)
        return build(tmp_path)

    return with_manifest


def test_a_good_manifest(built):
    role = json.loads(built(MANIFEST))["connectors"]["shelf"]["destination"]
    assert role["guarantees"] == [{"given": ["label.name"], "says": "By key."}]
    assert role["examples"][0]["write"]["label"] == {"name": "a"}


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("given: [label.name], says", "given: [label.nam], says", "manifest.term", 8),
        ("given: [label.name], says", 'given: ["!labez"], says', "manifest.term", 8),
        ("given: [label.name], says", "given: [], says", "manifest.case", 8),
        ("says: By key.", "says: ''", "manifest.case", 8),
        (", expected: one of them", "", "manifest.case", 10),
        ("path: {type: text,", "path: {type: text, names: columns,", "manifest.names", 13),
        ("size: {type: integer,", "size: {type: integer, names: column,", "manifest.names", 14),
        ("write: {path: /x,", "write: {pat: /x,", "manifest.option.unknown", 17),
        ("label: {name: a}", "label: {size: a}", "manifest.option.type", 17),
        ("{path: /x, label: {name: a}", '{path: "/{x}", label: {name: a}', "manifest.option.combination", 17),
        ("mode: append}", "mode: replace}", "manifest.mode", 17),
    ],
)
def test_a_wrong_manifest(built, old, new, code, line):
    assert old in MANIFEST
    with pytest.raises(ConfigError) as caught:
        built(MANIFEST.replace(old, new, 1))
    assert [(each.code, each.line) for each in caught.value.problems] == [(code, line)], str(caught.value)


OPTIONS = {"path": "/orders/{number}", "batch": {"size": 5}, "flag": False, "none": None}


@pytest.mark.parametrize(
    ("term", "holds"),
    [
        ("path", True),
        ("!path", False),
        ("path{}", True),
        ("!path{}", False),
        ("batch.size", True),
        ("batch.bytes", False),
        ("!batch.bytes", True),
        ("batch.size=5", True),
        ("batch.size=6", False),
        ("flag", True),
        ("none", False),
        ("other", False),
        ("path.deeper", False),
        ("batch{}", False),
    ],
)
def test_terms(term, holds):
    assert all_hold([term], OPTIONS) is holds


def test_the_first_promise_that_fits_counts():
    cases = (
        Case(given=("a", "b"), says="both"),
        Case(given=("a",), says="a"),
        Case(given=("mode=delete",), says="gone"),
    )
    role = DestinationRole(guarantee="none", guarantees=cases)
    assert guarantee_of(role, {"a": 1, "b": 2}) == "both"
    assert guarantee_of(role, {"a": 1}) == "a"
    assert guarantee_of(role, {"b": 1}, "delete") == "gone"
    assert guarantee_of(role, {"b": 1}, "append") == "none"
    assert (
        told(("a", "!b", "c{}", "mode=x"))
        == "with `a` and without `b` and with a placeholder in `c` and with `mode: x`"
    )


EXAMPLES = [
    (name, word, example)
    for name, one in manifests().items()
    for word, role in (("source", one.source), ("deliver", one.destination))
    if role is not None
    for example in role.examples
]


@pytest.mark.parametrize(
    ("name", "word", "example"), EXAMPLES, ids=[f"{each[0]}: {each[2].title}" for each in EXAMPLES]
)
def test_each_example_is_a_part_of_an_integration(problems_of, name, word, example):
    document = {
        "integration": "job",
        "source": {"connector": "postgres", "connection": "c", "table": "t"},
        "deliver": {"connector": "postgres", "connection": "c", "table": "t"},
    }
    document[word] = {"connector": name, "connection": "shop", **example.write}
    assert problems_of(yaml.safe_dump(document, sort_keys=False)) == []


def test_every_promise_of_the_http_destination_has_an_example():
    role = manifests()["http"].destination
    assert role is not None
    promised = {guarantee_of(role, each.write, str(each.write.get("mode", ""))) for each in role.examples}
    assert len(promised) >= 5
    assert role.guarantee in promised
