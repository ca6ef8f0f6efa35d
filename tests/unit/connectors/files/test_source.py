"""Which files are read, and which are refused."""

import hashlib
import importlib.util
import os

import pytest

from dragoman.connectors.files.check import check_connection
from dragoman.connectors.files.source import open_source
from dragoman.core.connection import parse_connection
from dragoman.core.errors import ConfigError, FatalError, RetriableError
from dragoman.core.ports import ReadRequest


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def put(root, path, text="a\n1\n"):
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def source(root, path, **options):
    return open_source(parse_connection("box", f"file://{root}"), {"path": path, **options})


def read(opened, marks=None):
    """What a run does: read, hash, mark."""
    found, known = {}, marks or {}
    marks = dict(known)
    for file in opened.files(ReadRequest(marks=lambda key: known.get(key, ""))):
        with file.open() as stream:
            found[file.path] = stream.read().decode()
        marks[file.path] = opened.mark(file, hashlib.sha256(found[file.path].encode()).hexdigest())
    return found, marks


def code(call):
    with pytest.raises((FatalError, ConfigError, RetriableError)) as caught:
        call()
    return caught.value.code


def test_patterns_in_the_order_of_paths(root):
    for path in ("b.csv", "a.csv", "sub/c.csv", "sub/deep/d.csv", "a.txt", ".hidden.csv", ".dragoman/x.csv"):
        put(root, path)
    (root / "folder.csv").mkdir()
    assert list(read(source(root, "*.csv"))[0]) == ["a.csv", "b.csv"]
    assert list(read(source(root, "**/*.csv"))[0]) == ["a.csv", "b.csv", "sub/c.csv", "sub/deep/d.csv"]
    assert list(read(source(root, "[a-b].csv"))[0]) == ["a.csv", "b.csv"]
    assert list(read(source(root, "sub/?.csv"))[0]) == ["sub/c.csv"]
    assert list(read(source(root, "no/*.csv"))[0]) == []


def test_delivered_content_is_not_read_again(root):
    place = put(root, "a.csv")
    _, marks = read(source(root, "*.csv"))
    assert read(source(root, "*.csv"), marks)[0] == {}
    os.utime(place, ns=(1, 1))
    assert read(source(root, "*.csv"), marks)[0] == {}
    put(root, "b.csv")
    assert list(read(source(root, "*.csv"), marks)[0]) == ["b.csv"]


@pytest.mark.parametrize("text", ["a\n2\n", "a\n1\n2\n"])
def test_changed_content_is_red_and_names_the_file(root, text):
    place = put(root, "a.csv")
    _, marks = read(source(root, "*.csv"))
    put(root, "0.csv")
    place.write_text(text)
    os.utime(place, ns=(1, 1))
    with pytest.raises(FatalError, match=r"a\.csv was read before") as caught:
        read(source(root, "*.csv"), marks)
    assert caught.value.code == "files.changed"
    assert read(source(root, "a.csv", reread="changed"), marks)[0] == {"a.csv": text}


def test_always_reads_always(root):
    put(root, "a.csv")
    _, marks = read(source(root, "*.csv"))
    assert list(read(source(root, "*.csv", reread="always"), marks)[0]) == ["a.csv"]
    assert read(source(root, "*.csv", reread="changed"), marks)[0] == {}


def test_a_missing_file_is_red(root):
    assert code(lambda: read(source(root, "a.csv"))) == "files.missing"
    (root / "a.csv").symlink_to(root / "nowhere")
    assert code(lambda: read(source(root, "a.csv"))) == "files.missing"


def test_a_missing_folder_is_red(tmp_path):
    assert code(lambda: read(source(tmp_path / "gone", "*.csv"))) == "files.no_root"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.csv", "a/../../x.csv", "..\\x.csv", "x\0.csv", ""])
def test_paths_that_leave_the_root_as_written(root, path):
    assert code(lambda: source(root, path)) == "files.outside"


def test_links_that_leave_the_root(root, tmp_path):
    put(tmp_path, "secret/x.csv")
    (root / "x.csv").symlink_to(tmp_path / "secret" / "x.csv")
    (root / "sub").symlink_to(tmp_path / "secret")
    for path in ("x.csv", "*.csv", "sub/x.csv", "sub/*.csv", "**/*.csv"):
        assert code(lambda path=path: read(source(root, path))) == "files.outside"


def test_a_neighbour_whose_name_begins_alike_is_outside(root, tmp_path):
    put(tmp_path, "inbox2/x.csv")
    (root / "sub").symlink_to(tmp_path / "inbox2")
    assert code(lambda: read(source(root, "sub/x.csv"))) == "files.outside"


def test_links_within_the_root(root):
    put(root, "real/a.csv")
    (root / "link").symlink_to(root / "real")
    assert list(read(source(root, "link/a.csv"))[0]) == ["link/a.csv"]


def test_a_root_that_is_a_link_itself(root, tmp_path):
    put(root, "a.csv")
    (tmp_path / "alias").symlink_to(root)
    assert list(read(source(tmp_path / "alias", "a.csv"))[0]) == ["a.csv"]


def test_what_is_no_file(root):
    os.mkfifo(root / "pipe.csv")
    (root / "folder").mkdir()
    assert code(lambda: read(source(root, "*.csv"))) == "files.no_file"
    assert code(lambda: read(source(root, "folder"))) == "files.no_file"


def test_a_file_that_changes_while_it_is_read(root):
    place = put(root, "a.csv")
    opened = source(root, "a.csv")
    (file,) = opened.files(ReadRequest())
    with place.open("a") as stream:
        stream.write("2\n")
    assert code(lambda: opened.mark(file, "")) == "files.changing"


def test_only_still_files_are_taken(root):
    place = put(root, "a.csv")
    assert read(source(root, "*.csv", settle=60.0))[0] == {}
    os.utime(place, (1_000_000, 1_000_000))
    assert list(read(source(root, "*.csv", settle=60.0))[0]) == ["a.csv"]


def test_files_are_moved_when_their_run_is_closed(root):
    put(root, "orders/x/a.csv")
    put(root, "orders/b.csv")
    opened = source(root, "orders/**/*.csv", after={"move": "done"})
    paths = list(read(opened)[0])
    opened.after_close(paths)
    opened.after_close(paths)
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*.csv")) == ["done/b.csv", "done/x/a.csv"]


def test_a_moved_file_overwrites_nothing(root):
    opened = source(root, "*.csv", after={"move": "done/"})
    for text in ("a\n1\n", "a\n2\n", "a\n2\n"):
        put(root, "a.csv", text)
        opened.after_close(["a.csv"])
    assert sorted(place.read_text() for place in (root / "done").iterdir()) == ["a\n1\n", "a\n2\n", "a\n2\n"][:2]
    assert not (root / "a.csv").exists()


def test_a_moved_single_file_is_no_missing_one(root):
    put(root, "a.csv")
    opened = source(root, "a.csv", after={"move": "done/"})
    _, marks = read(opened)
    opened.after_close(["a.csv"])
    assert read(opened, marks)[0] == {}
    assert code(lambda: read(opened)) == "files.missing"


def test_moved_files_are_not_found_again(root):
    put(root, "done/a.csv")
    assert read(source(root, "**/*.csv", after={"move": "done/"}))[0] == {}


def test_connections(root):
    assert "0 entries" in check_connection(parse_connection("box", f"file://{root}"))
    with pytest.raises(FatalError):
        check_connection(parse_connection("box", f"file://{root}/gone"))
    assert code(lambda: check_connection(parse_connection("box", "file://data/inbox"))) == "files.connection"
    assert "entries" in check_connection(parse_connection("box", f"file://localhost{root}"))
    assert code(lambda: open_source(None, {"path": "a.csv"})) == "files.connection"


def test_a_store_whose_library_is_missing_names_the_extra():
    if importlib.util.find_spec("s3fs"):
        pytest.skip("s3fs is installed here")
    with pytest.raises(ConfigError) as caught:
        open_source(parse_connection("box", "s3://key:secret@bucket/prefix"), {"path": "*.csv"})
    assert "dragoman[s3]" in caught.value.next_step
