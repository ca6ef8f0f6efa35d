"""Records to files: whole or not at all, once."""

import gzip
import json
import os
import random
import resource
import subprocess
import sys
import textwrap

import pyarrow as pa
import pytest

from dragoman.connectors.files.destination import open_destination
from dragoman.core.connection import parse_connection
from dragoman.core.errors import ConfigError, FatalError, RetriableError
from dragoman.core.ports import DeliverRequest
from dragoman.steps.files.encode import encode

TABLE = pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["a", None]})


def session(root, run="20260131T000000-00000001", mode="append", schema=TABLE.schema, delivery="deliver", **options):
    destination = open_destination(parse_connection("out", f"file://{root}"), {})
    return encode(destination, DeliverRequest("shop", delivery, run, 1, schema, mode), options)


def deliver(root, tables=(TABLE,), **options):
    made = session(root, **options)
    assert not made.applied()
    for number, table in enumerate(tables):
        assert made.write(f"run/source/{number:05d}", table) == []
    made.commit()
    made.close()


def content(root):
    """All visible files."""
    paths = [path for path in root.rglob("*") if path.is_file() and ".dragoman" not in path.parts]
    return {str(path.relative_to(root)): path.read_text() for path in sorted(paths)}


def test_one_file_per_run(tmp_path):
    deliver(tmp_path, [TABLE, TABLE], path="out/{date}/{run}.csv")
    assert content(tmp_path) == {"out/2026-01-31/20260131T000000-00000001.csv": "id,name\n1,a\n2,\n1,a\n2,\n"}


def test_the_one_file_of_a_run_is_its_batch_nought(tmp_path):
    deliver(tmp_path, [TABLE, TABLE], path="out/{run}-{batch}.csv", run="r1")
    assert content(tmp_path) == {"out/r1-00000.csv": "id,name\n1,a\n2,\n1,a\n2,\n"}


def test_one_file_per_batch_and_per_record(tmp_path):
    deliver(tmp_path, [TABLE, TABLE.slice(1)], path="b/{batch}.ndjson", one_file_per="batch")
    deliver(tmp_path, [TABLE, TABLE.slice(1)], path="r/{record}.ndjson", one_file_per="record", run="r2")
    assert content(tmp_path) == {
        "b/00000.ndjson": '{"id":1,"name":"a"}\n{"id":2,"name":null}\n',
        "b/00001.ndjson": '{"id":2,"name":null}\n',
        "r/0000001.ndjson": '{"id":1,"name":"a"}\n',
        "r/0000002.ndjson": '{"id":2,"name":null}\n',
        "r/0000003.ndjson": '{"id":2,"name":null}\n',
    }


def test_the_name_of_the_stream(tmp_path):
    deliver(tmp_path, path="{stream}.json", delivery="deliver.accounts")
    assert json.loads(content(tmp_path)["accounts.json"]) == [{"id": 1, "name": "a"}, {"id": 2, "name": None}]


def test_append_continues_and_replace_replaces(tmp_path):
    deliver(tmp_path, path="x.csv")
    deliver(tmp_path, path="x.csv", run="r2")
    assert content(tmp_path)["x.csv"] == "id,name\n1,a\n2,\n1,a\n2,\n"
    deliver(tmp_path, [TABLE.slice(1)], path="x.csv", run="r3", mode="replace")
    assert content(tmp_path)["x.csv"] == "id,name\n2,\n"
    deliver(tmp_path, [], path="x.csv", run="r4", mode="append")
    assert content(tmp_path)["x.csv"] == "id,name\n2,\n"
    deliver(tmp_path, [], path="x.csv", run="r5", mode="replace")
    assert content(tmp_path)["x.csv"] == "id,name\n"


def test_gzip_is_continued_and_the_same_bytes_each_time(tmp_path):
    for folder in ("a", "b"):
        deliver(tmp_path, path=f"{folder}.json.gz", delivery=folder)
        deliver(tmp_path, path=f"{folder}.json.gz", delivery=folder, run="r2")
    packed = (tmp_path / "a.json.gz").read_bytes()
    assert packed == (tmp_path / "b.json.gz").read_bytes()
    assert [row["id"] for row in json.loads(gzip.decompress(packed))] == [1, 2, 1, 2]


def test_other_columns_do_not_go_into_the_same_file(tmp_path):
    deliver(tmp_path, path="x.csv")
    other = TABLE.rename_columns(["id", "title"])
    made = session(tmp_path, path="x.csv", run="r2", schema=other.schema)
    with pytest.raises(FatalError, match="title"):
        made.write("b", other)
    made.close()
    assert content(tmp_path) == {"x.csv": "id,name\n1,a\n2,\n"}


def test_nothing_is_visible_before_the_commit_and_nothing_is_left_without_one(tmp_path):
    made = session(tmp_path, path="{batch}.csv", one_file_per="batch")
    made.write("b0", TABLE)
    made.write("b1", TABLE)
    assert not list(tmp_path.glob("[0-9]*"))
    made.close()
    assert list(tmp_path.rglob("*")) == []


def test_refused_rows_are_those_of_the_batch(tmp_path):
    table = pa.table({"f": [1.0, float("nan"), 2.0, float("inf")]})
    for per, path in (("run", "x.json"), ("record", "{record}.json")):
        made = session(tmp_path, schema=table.schema, path=path, one_file_per=per)
        assert [one.row for one in made.write("b", table)] == [1, 3]
        made.close()


@pytest.mark.parametrize(
    ("path", "per"),
    [
        ("{what}.csv", "run"),
        ("x.csv", "batch"),
        ("{run}.csv", "record"),
        ("{record}.csv", "run"),
        ("{batch}-{record}.csv", "batch"),
    ],
)
def test_placeholders_that_make_no_sense(tmp_path, path, per):
    with pytest.raises(ConfigError) as caught:
        session(tmp_path, path=path, one_file_per=per)
    assert caught.value.code == "files.placeholder"


@pytest.mark.parametrize("path", ["../x.csv", "/tmp/x.csv", "a/../../x.csv"])
def test_paths_that_leave_the_root(tmp_path, path):
    (tmp_path / "root").mkdir()
    made = session(tmp_path / "root", path=path)
    with pytest.raises(FatalError) as caught:
        made.write("b", TABLE)
    assert caught.value.code == "files.outside"


def test_links_that_leave_the_root(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "sub").symlink_to(outside)
    made = session(root, path="sub/x.csv")
    with pytest.raises(FatalError) as caught:
        made.write("b", TABLE)
    assert caught.value.code == "files.outside"
    (outside / "y.csv").write_text("kept")
    (root / "y.csv").symlink_to(outside / "y.csv")
    deliver(root, path="y.csv", mode="replace")
    assert (outside / "y.csv").read_text() == "kept"


def test_a_run_that_was_overtaken_gives_up(tmp_path):
    slow = session(tmp_path, path="x.csv", run="r1")
    slow.write("b", TABLE)
    deliver(tmp_path, [TABLE.slice(1)], path="x.csv", run="r2")
    with pytest.raises(FatalError) as caught:
        slow.commit()
    assert caught.value.code == "lease.fenced"
    slow.close()
    assert content(tmp_path) == {"x.csv": "id,name\n2,\n"}


@pytest.mark.parametrize("path", ["x.csv", "x.csv.gz"])
def test_a_disk_that_takes_no_more_is_tried_again_and_leaves_nothing(tmp_path, path):
    draw = random.Random(1)
    table = pa.table(
        {"id": pa.array(range(100_000), pa.int64()), "name": [draw.randbytes(8).hex() for _ in range(100_000)]}
    )
    made = session(tmp_path, path=path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(RetriableError) as caught:
            made.write("b", table)
            made.commit()
        made.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.code == "files.unwritable"
    assert list(tmp_path.rglob("*")) == []


KILLED = """
    import sys, pyarrow as pa
    from dragoman.connectors.files.destination import open_destination
    from dragoman.core.connection import parse_connection
    from dragoman.core.ports import DeliverRequest
    from dragoman.steps.files.encode import encode
    table = pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["a", None]})
    destination = open_destination(parse_connection("out", "file://" + sys.argv[1]), {})
    request = DeliverRequest("shop", "deliver", "r2", 1, table.schema, "append")
    made = encode(destination, request, {"path": "{batch}.csv", "one_file_per": "batch"})
    if not made.applied():
        for number in range(3):
            made.write(str(number), table)
        made.commit()
    made.close()
"""


@pytest.mark.parametrize(("nth", "consumed"), [(1, False), (2, False), (3, True), (4, False)])
def test_killed_while_it_publishes_and_run_again(tmp_path, nth, consumed):
    deliver(tmp_path, path="{batch}.csv", one_file_per="batch", run="r1")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    armed = {**os.environ, "DRAGOMAN_FAILPOINT": f"files.published:{nth}:kill"}
    assert subprocess.run(command, env=armed, check=False).returncode == -9
    wanted = {f"0000{number}.csv": "id,name\n1,a\n2,\n" for number in range(3)}
    wanted["00000.csv"] += "1,a\n2,\n"
    if consumed:  # a partner took a file away before the run was tried again
        (tmp_path / "00001.csv").unlink()
        del wanted["00001.csv"]
    made = session(tmp_path, path="{batch}.csv", one_file_per="batch", run="r2")
    assert made.applied()
    made.close()
    assert content(tmp_path) == wanted


def test_killed_before_it_publishes_and_run_again(tmp_path):
    made = session(tmp_path, path="x.csv", run="r1")
    made.write("b", TABLE)
    made._close_file()  # written aside whole, and then the process is gone
    deliver(tmp_path, path="x.csv", run="r1")
    assert content(tmp_path) == {"x.csv": "id,name\n1,a\n2,\n"}


def test_a_run_given_up_in_its_commit_leaves_nothing_aside(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    armed = {**os.environ, "DRAGOMAN_FAILPOINT": "files.published:2:kill"}
    assert subprocess.run(command, env=armed, check=False).returncode == -9
    assert len(list(tmp_path.glob(".*.part"))) == 2
    deliver(tmp_path, path="{batch}.csv", one_file_per="batch", run="r3")
    assert list(tmp_path.glob(".*.part")) == []
