"""Files to records: every file to its end, or red."""

import gzip
import hashlib

import pytest

from dragoman.connectors.files.source import open_source
from dragoman.core.batch import ReadBatch, ReadEnd
from dragoman.core.connection import parse_connection
from dragoman.core.errors import ConfigError, FatalError, RetriableError
from dragoman.core.flow import FormatSpec
from dragoman.core.ports import ReadRequest
from dragoman.steps.files.decode import decode


def reading(root, path, form=None, request=None, **options):
    opened = open_source(parse_connection("box", f"file://{root}"), {"path": path, **options})
    return decode(opened, request or ReadRequest(), form)


def test_several_files_are_united_by_name(tmp_path):
    (tmp_path / "a.csv").write_text('id,x\n1,\n2,""\n')
    (tmp_path / "b.csv").write_text("y,id\nz,3\n")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"id\n4\n"))
    *batches, end = reading(tmp_path, "*.csv*")
    assert [(batch.origin, batch.first) for batch in batches] == [("a.csv", 2), ("b.csv", 2), ("c.csv.gz", 2)]
    assert [batch.table.to_pylist() for batch in batches] == [
        [{"id": "1", "x": None}, {"id": "2", "x": ""}],
        [{"id": "3", "x": None, "y": "z"}],
        [{"id": "4", "x": None, "y": None}],
    ]
    assert isinstance(end, ReadEnd)
    digest = hashlib.sha256((tmp_path / "a.csv").read_bytes()).hexdigest()
    assert end.marks["a.csv"].startswith(f"{digest}:")
    assert (len(end.marks), end.nothing_new) == (3, False)


def test_the_format_that_is_written_wins_over_the_ending(tmp_path):
    (tmp_path / "a.txt").write_text("a;b\n1;2\n")
    (batch, _) = reading(tmp_path, "a.txt", FormatSpec(type="csv", options={"delimiter": ";"}))
    assert isinstance(batch, ReadBatch)
    assert batch.table.to_pylist() == [{"a": "1", "b": "2"}]
    with pytest.raises(ConfigError):
        list(reading(tmp_path, "a.txt"))


def test_no_new_file_is_nothing_new(tmp_path):
    assert list(reading(tmp_path, "*.csv")) == [ReadEnd(marks={}, nothing_new=True)]


@pytest.mark.parametrize(("name", "text"), [("a.csv", "a,b\n"), ("a.csv", ""), ("a.json", "[]"), ("a.ndjson", "\n")])
def test_a_file_without_records_is_red_unless_allowed(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(FatalError) as caught:
        list(reading(tmp_path, name))
    assert caught.value.code == "read.empty"
    (end,) = reading(tmp_path, name, request=ReadRequest(allow_empty=True))
    assert isinstance(end, ReadEnd)
    assert list(end.marks) == [name]


def test_rejects_are_records_too(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1\n")
    (batch, _) = reading(tmp_path, "a.csv")
    assert isinstance(batch, ReadBatch)
    assert (batch.read, batch.table.num_rows) == (1, 0)


def test_a_broken_file_that_is_still_growing_is_tried_again(tmp_path):
    place = tmp_path / "a.csv"
    place.write_text("a,b\n" + "1,2\n" * 200_000 + '3,"')
    items = reading(tmp_path, "a.csv", request=ReadRequest(batch_rows=1000))
    next(items)
    with place.open("a") as stream:
        stream.write("rest")
    with pytest.raises(RetriableError) as caught:
        list(items)
    assert caught.value.code == "files.changing"


def test_a_file_that_grows_behind_its_end_is_tried_again(tmp_path):
    place = tmp_path / "a.csv"
    place.write_text("a,b\n" + "1,2\n" * 200_000)
    items = reading(tmp_path, "a.csv", request=ReadRequest(batch_rows=1000))
    next(items)
    with place.open("a") as stream:
        stream.write("5,6\n")
    with pytest.raises(RetriableError):
        list(items)


def test_a_broken_file_is_red(tmp_path):
    (tmp_path / "a.csv").write_text('a,b\n1,"x\n')
    with pytest.raises(FatalError) as caught:
        list(reading(tmp_path, "a.csv"))
    assert caught.value.code == "csv.truncated"
