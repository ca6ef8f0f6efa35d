"""A batch with deleted records in pieces: few of them, and never in the wrong order."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dragoman.core.batch import ReadBatch, position_of, with_origin
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import words_field
from dragoman.core.flow import DeletesSpec
from dragoman.steps.deletes.deletions import pieces

BY_ID = DeletesSpec(column="gone", keys=("id",))
ANY_KEY = DeletesSpec(column="gone")


def batch(*rows, documents=False):
    schema = pa.schema([words_field("id", json=documents), words_field("gone", json=documents)])
    columns = [list(column) for column in zip(*rows, strict=True)]
    return ReadBatch(pa.table([pa.array(each, pa.string()) for each in columns], schema=schema), "t", 10)


def told(item, spec=BY_ID):
    return [
        (
            piece.deleted,
            piece.table.column("id").to_pylist(),
            [position_of(with_origin(piece), n) for n in range(piece.table.num_rows)],
        )
        for piece in pieces(item, spec)
    ]


def test_a_batch_without_deletions_stays_as_it_is():
    item = batch(("1", "false"), ("2", None), ("3", "0"))
    assert list(pieces(item, BY_ID)) == [item]


def test_deletions_among_other_keys_make_two_pieces():
    item = batch(("1", "false"), ("2", "true"), ("3", "false"), ("4", "1"), ("5", "false"))
    assert told(item) == [(False, ["1", "3", "5"], ["t:10", "t:12", "t:14"]), (True, ["2", "4"], ["t:11", "t:13"])]


def test_created_then_deleted_ends_deleted_and_deleted_then_created_ends_present():
    item = batch(("1", "false"), ("1", "true"), ("2", "true"), ("2", "false"), ("2", "true"), ("2", "false"))
    order = [(deleted, ids) for deleted, ids, _places in told(item)]
    assert order == [(False, ["1"]), (True, ["1", "2"]), (False, ["2"]), (True, ["2"]), (False, ["2"])]


@pytest.mark.parametrize(
    ("one", "other"),
    [("7", "07"), ("7", " 7.0 "), ("a", "A "), ("true", "1"), ("2024-01-01T00:00Z", "2024-01-01 01:00+01")],
)
def test_words_that_may_become_one_key_keep_their_order(one, other):
    assert [deleted for deleted, _ids, _places in told(batch((one, "true"), (other, "false")))] == [True, False]


def test_where_keys_are_no_plain_columns_the_order_is_that_of_the_records():
    item = batch(("1", "false"), ("2", "true"), ("3", "false"), ("4", "true"))
    assert [ids for _deleted, ids, _places in told(item, ANY_KEY)] == [["1"], ["2"], ["3"], ["4"]]


def test_what_is_no_boolean_is_rejected_with_its_place_and_its_original():
    first, second = pieces(batch(("1", "maybe"), ("2", "true"), ("3", "false")), BY_ID)
    assert (first.deleted, second.deleted) == (False, True)
    (reject,) = first.rejects
    assert (reject.code, reject.field, reject.position) == ("deletes.not_boolean", "gone", "t:10")
    assert reject.original == '{"id": "1", "gone": "maybe"}'
    assert first.read + second.read == 3


def test_a_batch_of_nothing_but_mistakes_still_counts_them():
    (only,) = pieces(batch(("1", "maybe")), BY_ID)
    assert (only.read, only.table.num_rows) == (1, 0)


def test_documents_may_leave_the_flag_out():
    item = batch(('"1"', None), ('"2"', "true"), ('"3"', '"TRUE"'), ('"4"', "null"), documents=True)
    assert [(deleted, len(ids)) for deleted, ids, _places in told(item)] == [(False, 2), (True, 2)]


def test_a_column_that_a_table_does_not_have_is_red():
    with pytest.raises(FatalError) as caught:
        list(pieces(batch(("1", "true")), DeletesSpec(column="deleted", keys=("id",))))
    assert caught.value.code == "deletes.no_column"
