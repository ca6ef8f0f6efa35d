"""A folder that fsspec reaches: the same rules, tried on a real file system of fsspec, in memory."""

import uuid

import pyarrow as pa
import pytest

from dragoman.connectors.files.destination import open_destination
from dragoman.connectors.files.source import open_source
from dragoman.core.batch import ReadEnd
from dragoman.core.connection import parse_connection
from dragoman.core.errors import FatalError
from dragoman.core.ports import DeliverRequest, ReadRequest
from dragoman.steps.files.decode import decode
from dragoman.steps.files.encode import encode

TABLE = pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["a", None]})


@pytest.fixture
def connection():
    return parse_connection("box", f"memory:///{uuid.uuid4().hex}")


def deliver(connection, run, **options):
    made = encode(
        open_destination(connection, {}), DeliverRequest("shop", "deliver", run, 1, TABLE.schema, "append"), options
    )
    if not made.applied():
        made.write(f"{run}/source/00000", TABLE)
        made.commit()
    made.close()


def read(connection, path, marks=None, **options):
    opened = open_source(connection, {"path": path, **options})
    *batches, end = decode(opened, ReadRequest(marks=lambda key: (marks or {}).get(key, "")))
    assert isinstance(end, ReadEnd)
    return [(batch.origin, batch.table.to_pylist()) for batch in batches], dict(end.marks), opened


def test_what_is_written_is_read(connection):
    deliver(connection, "r1", path="out/x.csv")
    deliver(connection, "r2", path="out/x.csv")
    deliver(connection, "r2", path="out/x.csv")
    rows = [{"id": "1", "name": "a"}, {"id": "2", "name": None}]
    found, marks, opened = read(connection, "**/*.csv", after={"move": "done"})
    assert found == [("out/x.csv", rows + rows)]
    assert read(connection, "**/*.csv", marks)[0] == []
    opened.after_close(["out/x.csv"])
    opened.after_close(["out/x.csv"])
    assert [path for path, _ in read(connection, "**/*.csv")[0]] == ["done/out/x.csv"]


def test_changed_content_is_red(connection):
    deliver(connection, "r1", path="x.csv")
    _, marks, _ = read(connection, "x.csv")
    deliver(connection, "r2", path="x.csv")
    with pytest.raises(FatalError) as caught:
        read(connection, "x.csv", marks)
    assert caught.value.code == "files.changed"


@pytest.mark.parametrize(("path", "code"), [("gone.csv", "files.missing"), ("../x.csv", "files.outside")])
def test_paths_that_are_refused(connection, path, code):
    with pytest.raises(FatalError) as caught:
        read(connection, path)
    assert caught.value.code == code
