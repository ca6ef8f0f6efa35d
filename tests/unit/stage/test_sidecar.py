"""Files of receipts: sorted, found by key across portions, hashed by what they say whatever the file looks like."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from dragoman.core.errors import FatalError
from dragoman.stage import sidecar
from dragoman.stage.sidecar import (
    content_sha256,
    find_keys,
    open_receipts,
    order_of,
    pack_receipts,
    receipts_table,
    sidecar_of,
)


def columns(rows: int, **more: object) -> dict[str, object]:
    keys = np.random.default_rng(3).integers(0, 1 << 64, rows, dtype=np.uint64)
    return {"key": keys, "row": np.arange(rows), **more}


def packed(table: pa.Table) -> bytes:
    return pack_receipts(table, {"run": "r"}).to_pybytes()


def test_keys_are_found_in_any_portion_however_often_they_stand_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar, "PORTION", 10)
    keys = sorted(random.Random(1).sample(range(1 << 60, 1 << 61), 80))
    repeated = keys + [keys[40]] * 25 + [keys[0]] * 3 + [keys[-1]] * 12
    table = receipts_table({"key": np.array(repeated, np.uint64), "row": np.arange(len(repeated))})
    reader = open_receipts(packed(table), "x")
    assert reader.num_record_batches == 12
    for at, key in enumerate(keys):
        assert find_keys(reader, [key]).num_rows == repeated.count(key), at
    assert find_keys(reader, [keys[0] - 1, keys[3] + 1, keys[-1] + 1]).num_rows == 0
    assert find_keys(reader, [keys[5], keys[40]]).num_rows == 27


def test_the_order_is_that_of_the_keys_and_equal_ones_stay() -> None:
    keys = np.array([5, (1 << 63) + 1, 5, 1 << 63, 65_536, 0, 5, (1 << 16) - 1, 1], np.uint64)
    assert order_of(keys).tolist() == [5, 8, 0, 2, 6, 7, 4, 3, 1]


def test_columns_of_which_nothing_is_known_are_absent_and_numbers_narrow() -> None:
    table = receipts_table(columns(300, remote=pa.nulls(300, pa.string()), outcome=np.zeros(300, np.uint8)))
    assert table.column_names == ["key", "row"]
    assert table.schema.field("row").type == pa.uint16()


def test_a_sidecar_taken_out_of_a_merged_file_says_what_it_said() -> None:
    plain = receipts_table(columns(300))
    other = receipts_table(
        columns(70_000, position=np.arange(70_000) * 3, remote=["id-" + "ü" * (at % 3) for at in range(70_000)])
    )
    erased = receipts_table(columns(5, place=["a", None, "c", "", "e"], outcome=[0, 1, 0, 1, 1]))
    hashes = [content_sha256({"batch": at}, one) for at, one in enumerate((plain, other, erased))]
    numbered = [
        one.append_column("number", pa.repeat(pa.scalar(at, pa.int64()), one.num_rows))
        for at, one in enumerate((plain, other, erased))
    ]
    merged = pa.concat_tables(numbered, promote_options="permissive")
    merged = merged.take(pa.array(order_of(merged.column("key").combine_chunks().to_numpy())))
    again = open_receipts(packed(merged), "x").read_all()
    assert [content_sha256({"batch": at}, sidecar_of(again, at)) for at in range(3)] == hashes
    assert content_sha256({"batch": 9}, plain) != hashes[0]


def test_what_is_no_file_of_receipts_is_said_to_be_none() -> None:
    with pytest.raises(FatalError, match=r"x cannot be read") as error:
        open_receipts(b"nonsense", "x")
    assert error.value.code == "receipts.unreadable"
