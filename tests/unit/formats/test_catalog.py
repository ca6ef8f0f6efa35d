"""The formats that are declared are the formats that are there."""

from pathlib import Path

import pytest
import yaml

import dragoman.formats
from dragoman.core.errors import ConfigError
from dragoman.formats.catalog import FORMATS, format_of
from dragoman.formats.delimited_dialect import Dialect
from dragoman.formats.json_options import JsonOptions

DECLARED = yaml.safe_load((Path(dragoman.formats.__file__).parent / "formats.yaml").read_text())
OPTIONS = {"csv": Dialect, "ndjson": JsonOptions, "json": JsonOptions}


def test_every_declared_format_has_its_module_and_its_endings():
    assert {name: tuple(info["endings"]) for name, info in DECLARED.items()} == {
        name: info.endings for name, info in FORMATS.items()
    }
    for info in FORMATS.values():
        module = info.load()
        assert all(callable(getattr(module, verb)) for verb in ("read", "open_writer", "carry_over"))


@pytest.mark.parametrize("name", list(DECLARED))
def test_declared_defaults_are_those_of_the_code(name):
    defaults = OPTIONS[name]()
    for option, about in DECLARED[name]["options"].items():
        assert getattr(defaults, option) == about.get("default", "" if about["type"] == "text" else []), option


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.csv", "csv"),
        ("A.CSV", "csv"),
        ("a.tsv.gz", "csv"),
        ("x/b.ndjson", "ndjson"),
        ("b.jsonl.gz", "ndjson"),
        ("c.json", "json"),
        ("out/{run}.json", "json"),
    ],
)
def test_the_ending_tells_the_format(path, kind):
    assert format_of(path).type == kind
    assert format_of("anything", kind).type == kind


@pytest.mark.parametrize(("path", "kind"), [("a.parquet", ""), ("a", ""), ("a.csv", "cvs")])
def test_an_unknown_format_is_refused(path, kind):
    with pytest.raises(ConfigError) as caught:
        format_of(path, kind)
    assert caught.value.code == "format.unknown"
