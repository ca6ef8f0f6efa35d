"""Sealing and loading: durable, hashed, immutable, private."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from dragoman.core.batch import ReadBatch, Reject, position_of, with_origin
from dragoman.core.errors import ConfigError, FatalError, RetriableError
from dragoman.stage.store import RunStage, Stage

TABLE = pa.table({"id": ["1", "2", None], "name": ["Ada", "", "Žofie"]})


@pytest.fixture(params=["folder", "file", "memory"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """The same suite on a path, a file URL and a URL that only fsspec knows."""
    return Stage(
        {"folder": str(tmp_path / "s"), "file": f"file://{tmp_path}/s", "memory": f"memory://{tmp_path}/s"}[
            request.param
        ]
    )


@pytest.fixture
def local(tmp_path: Path) -> RunStage:
    return Stage(str(tmp_path)).run("orders", "r1")


def test_what_is_sealed_comes_back(stage: Stage) -> None:
    run = stage.run("orders", "r1")
    sealed = run.seal("source", 0, TABLE)
    assert (sealed.rows, len(sealed.sha256)) == (3, 64)
    assert sealed.path.startswith("orders/r1/source/00000.")
    assert stage.load(sealed.path, sealed.sha256).equals(TABLE)
    assert run.load(sealed.path, sealed.sha256).equals(TABLE)


def test_positions_survive_the_stage(stage: Stage) -> None:
    table = with_origin(ReadBatch(TABLE, origin="orders.csv", first=17))
    sealed = stage.run("orders", "r1").seal("source", 3, table, extra={"shape": "x"})
    loaded = stage.load(sealed.path, sealed.sha256)
    assert position_of(loaded, 1) == "orders.csv:18"
    assert loaded.schema.metadata[b"shape"] == b"x"


def test_the_header_names_codec_and_key(stage: Stage) -> None:
    sealed = stage.run("orders", "r1").seal("source", 0, TABLE)
    metadata = stage.load(sealed.path, sealed.sha256).schema.metadata
    assert metadata[b"dragoman:codec"] == b"plain"
    assert metadata[b"dragoman:key"] == b""


def test_nested_records_nulls_and_no_rows(stage: Stage) -> None:
    nested = pa.table({"lines": pa.array([[{"sku": "a", "n": 1}], None, []]), "flag": [True, None, False]})
    run = stage.run("orders", "r1")
    for seq, table in enumerate((nested, nested.slice(0, 0), nested.slice(1, 2), pa.concat_tables([nested] * 3))):
        sealed = run.seal("source", seq, table)
        assert run.load(sealed.path, sealed.sha256).equals(table)


def test_a_missing_file_is_said(stage: Stage) -> None:
    with pytest.raises(FatalError) as caught:
        stage.load("orders/r1/source/00000.0.arrow", "0" * 64)
    assert caught.value.code == "stage.missing"


def test_drop_forgets_a_node_or_a_run(stage: Stage) -> None:
    run = stage.run("orders", "r1")
    first, second = run.seal("a", 0, TABLE), run.seal("b", 0, TABLE)
    run.drop("a")
    with pytest.raises(FatalError):
        run.load(first.path, first.sha256)
    assert run.load(second.path, second.sha256).num_rows == 3
    assert run.seal("a", 0, TABLE).path == first.path
    run.drop()
    with pytest.raises(FatalError):
        run.load(second.path, second.sha256)
    run.drop()


def test_the_last_pinned_copy_counts(stage: Stage) -> None:
    run = stage.run("orders", "r1")
    run.pin({"orders.yaml": b"version: 1", "orders/a.sql": b"SELECT 1"})
    assert run.pinned() == {"orders.yaml": b"version: 1", "orders/a.sql": b"SELECT 1"}
    run.pin({"orders.yaml": b"version: 2"})
    assert stage.run("orders", "r1").pinned() == {"orders.yaml": b"version: 2"}
    assert stage.run("orders", "r2").pinned() == {}


def test_rejects_come_back_whole(stage: Stage) -> None:
    rejects = [
        Reject(
            "value.not_integer",
            "'x' is not an integer",
            "translate",
            field="id",
            position="a.csv:3",
            original='{"id":"x"}',
            rid=2,
        ),
        Reject("deliver.refused", "too long", "deliver", mapped='{"n":1}', answer="ERROR: value too long"),
        Reject("read.unreadable", "no end of quote", "read", original='"a'),
    ]
    run = stage.run("orders", "r1")
    sealed = run.write_rejects("deliver", "deliver-00000", rejects)
    assert sealed.rows == 3
    assert stage.load_rejects(sealed.path, sealed.sha256) == rejects


def test_names_cannot_leave_the_stage(tmp_path: Path) -> None:
    stage = Stage(str(tmp_path / "stage"))
    for name in ("..", "../../x", "/etc", ".", ">orders", "a b"):
        sealed = stage.run(name, name).seal(name, 0, TABLE)
        assert stage.load(sealed.path, sealed.sha256).num_rows == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["stage"]


def test_a_changed_file_is_refused(local: RunStage, tmp_path: Path) -> None:
    sealed = local.seal("source", 0, TABLE)
    file = tmp_path / sealed.path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(FatalError) as caught:
        local.load(sealed.path, sealed.sha256)
    assert caught.value.code == "stage.changed"
    assert sealed.path in caught.value.message


def test_a_truncated_pinned_copy_is_refused(local: RunStage, tmp_path: Path) -> None:
    file = tmp_path / local.pin({"a": b"x" * 1000}).path
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(FatalError) as caught:
        local.pinned()
    assert caught.value.code == "stage.changed"


def test_a_codec_of_a_later_version_is_refused(local: RunStage, tmp_path: Path) -> None:
    sink = pa.BufferOutputStream()
    table = TABLE.replace_schema_metadata({"dragoman:codec": "sealed-box"})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content = sink.getvalue().to_pybytes()
    (tmp_path / "later.arrow").write_bytes(content)
    with pytest.raises(FatalError) as caught:
        local.load("later.arrow", hashlib.sha256(content).hexdigest())
    assert caught.value.code == "stage.codec"


def test_a_taken_over_process_changes_nothing_that_the_ledger_knows(local: RunStage) -> None:
    ours = local.seal("source", 0, TABLE)
    zombies = local.seal("source", 0, TABLE.slice(1))
    assert zombies.path != ours.path
    assert local.load(ours.path, ours.sha256).equals(TABLE)


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        sealed = Stage(str(tmp_path / "stage")).run("orders", "r1").seal("source", 0, TABLE)
    finally:
        os.umask(before)
    file = tmp_path / "stage" / sealed.path
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for folder in list(file.parents)[:4]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_nothing_half_written_stays_where_the_file_cannot_be_named(local: RunStage, tmp_path: Path) -> None:
    sealed = local.seal("source", 0, TABLE)
    folder = (tmp_path / sealed.path).parent
    (tmp_path / sealed.path).unlink()
    (tmp_path / sealed.path).mkdir()
    with pytest.raises(RetriableError) as caught:
        local.seal("source", 0, TABLE)
    assert caught.value.code == "stage.io"
    assert sealed.path in caught.value.message
    assert [entry.name for entry in folder.iterdir()] == [(tmp_path / sealed.path).name]


def test_several_threads_seal_at_once(local: RunStage) -> None:
    sealed = {}

    def work(node: str) -> None:
        for seq in range(10):
            sealed[node, seq] = local.seal(node, seq, TABLE.append_column("n", pa.array([seq] * 3)))

    threads = [threading.Thread(target=work, args=(f"source.{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sealed) == 40
    for (_node, seq), one in sealed.items():
        assert local.load(one.path, one.sha256)["n"].to_pylist() == [seq] * 3


def test_an_unknown_url_names_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Stage("nosuch://bucket/x")
    assert caught.value.code == "stage.unknown_url"
