"""The last good copies: written once for each digest, found by path and by name."""

import os

import pytest

from dragoman.core.flow import DeliverySpec, Flow, SourceSpec, TranslationSpec
from dragoman.orchestration.good_copies import GoodCopies


def flow(name, file, digest):
    return Flow(
        integration=name,
        file=file,
        digest=digest * 64,
        text=f"integration: {name}",
        sources=(SourceSpec(name="source", connector="files"),),
        translations=(TranslationSpec(node="translate", inputs=("source",)),),
        deliveries=(DeliverySpec(node="deliver", input="translate", connector="files"),),
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_DRAGOMAN_LEDGER", raising=False)
    return tmp_path


def test_a_copy_comes_back_whole(home):
    kept = flow("orders", "/x/orders.yaml", "a")
    GoodCopies(home).keep(kept)
    assert GoodCopies(home).of_file("/x/orders.yaml") == kept
    assert GoodCopies(home).of_name("orders") == kept
    assert GoodCopies(home).of_file("/x/other.yaml") is None


def test_an_unchanged_integration_writes_nothing(home):
    GoodCopies(home).keep(flow("orders", "/x/orders.yaml", "a"))
    before = {entry.name: entry.stat().st_ino for entry in os.scandir(home / "good")}
    GoodCopies(home).keep(flow("orders", "/x/orders.yaml", "a"))
    assert {entry.name: entry.stat().st_ino for entry in os.scandir(home / "good")} == before


def test_an_edit_a_new_name_and_a_new_path_leave_one_copy(home):
    for one in (
        flow("orders", "/x/orders.yaml", "a"),
        flow("orders", "/x/orders.yaml", "b"),
        flow("orders_new", "/x/orders.yaml", "c"),
        flow("orders_new", "/x/moved.yaml", "c"),
    ):
        GoodCopies(home).keep(one)
        assert len(list((home / "good").iterdir())) == 1
    assert GoodCopies(home).of_file("/x/orders.yaml") is None
    assert GoodCopies(home).of_name("orders_new").file == "/x/moved.yaml"


def test_a_copy_that_cannot_be_read_is_no_copy(home):
    GoodCopies(home).keep(flow("orders", "/x/orders.yaml", "a"))
    (copy,) = (home / "good").iterdir()
    copy.write_text("{")
    assert GoodCopies(home).of_file("/x/orders.yaml") is None


def test_a_home_that_cannot_be_written_stops_no_parsing(home):
    (home / "good").write_text("a file where the folder should be")
    copies = GoodCopies(home)
    copies.keep(flow("orders", "/x/orders.yaml", "a"))
    assert copies.of_file("/x/orders.yaml") is None
