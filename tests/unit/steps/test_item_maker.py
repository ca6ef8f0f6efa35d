"""Items of a batch: their keys, their idempotency keys, their bodies."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa

from dragoman.core.batch import LINE, RECORD, RID, ReadBatch, version_of, with_origin
from dragoman.core.fieldtype import FieldType, arrow_field
from dragoman.core.flow import CursorSpec
from dragoman.core.ports import DeliverRequest
from dragoman.steps.items.keys import with_records
from dragoman.steps.items.maker import ItemMaker


def made(table, key=(), verb="send", delivery="deliver"):
    request = DeliverRequest(
        integration="orders", delivery=delivery, run_id="run", token=1, schema=table.schema, mode="append", key=key
    )
    maker = ItemMaker(request, "run/source/00000", table, verb)
    return maker.items(maker.rows)


def outputs(ids, names, records, lines=None):
    table = pa.table({"id": ids, "name": names, RECORD: records})
    return table if lines is None else table.append_column(LINE, pa.array(lines, pa.int64()))


def test_a_body_is_exact():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    table = pa.table(
        {
            "number": pa.array([2**63 - 1], pa.int64()),
            "amount": pa.array([Decimal("1234567890123456789.10")], pa.decimal128(21, 2)),
            "digits": pa.array(["007"]),
            "at": pa.array([moment], pa.timestamp("us", "UTC")),
            "seal": pa.array([b"\x00\xff"], pa.binary()),
            "none": pa.array([None], pa.string()),
        }
    ).append_column(arrow_field("more", FieldType("json")), pa.array(['{"a": 1.50}']))
    (item,) = made(table.append_column(RECORD, pa.array(["run:7"])))
    assert item.body == (
        b'{"number":9223372036854775807,"amount":1234567890123456789.10,"digits":"007",'
        b'"at":"2026-01-02T03:04:05+00:00","seal":"AP8=","none":null,"more":{"a": 1.50}}'
    )
    assert item.values["amount"] == Decimal("1234567890123456789.10")
    assert item.values["at"] == moment
    assert RECORD not in item.values
    assert (item.key, len(item.token)) == ("run:7", 32)


def test_a_key_is_written_so_that_it_can_be_read():
    (item,) = made(outputs([1], ["a=b,c\\d"], ["run:1"]), key=("id", "name"))
    assert item.key == r"id=1,name=a\=b\,c\\d"


def test_lines_of_a_record_are_told_apart_by_their_place():
    whole = made(outputs([1, 1, 1], ["a", "b", "b"], ["run:5"] * 3, [1, 2, 3]))
    assert [item.key for item in whole] == ["run:5:1", "run:5:2", "run:5:3"]
    assert len({item.token for item in whole}) == 3
    (later,) = made(outputs([1], ["b"], ["run:5"], [3]))
    assert (later.key, later.token) == (whole[2].key, whole[2].token)


def test_outputs_of_a_record_without_lines_are_numbered():
    both = made(outputs([1, 1], ["a", "a"], ["run:5", "run:5"]))
    assert [item.key for item in both] == ["run:5:1", "run:5:2"]
    assert both[0].token != both[1].token


def test_the_same_content_of_the_same_record_has_the_same_token():
    first, second = made(outputs([1, 2], ["a", "b"], ["run:1", "run:2"]), key=("id",))
    (alone,) = made(outputs([2], ["b"], ["run:2"]), key=("id",))
    assert alone.token == second.token != first.token
    (other,) = made(outputs([2], ["c"], ["run:2"]), key=("id",))
    (erased,) = made(outputs([2], ["b"], ["run:2"]), key=("id",), verb="erase")
    (elsewhere,) = made(outputs([2], ["b"], ["run:2"]), key=("id",), delivery="other")
    assert len({second.token, other.token, erased.token, elsewhere.token}) == 4


def test_a_value_that_comes_back_is_not_taken_for_the_first():
    first, _between, last = made(outputs([1, 1, 1], ["A", "B", "A"], ["run:1", "run:2", "run:3"]), key=("id",))
    assert (first.key, first.body) == (last.key, last.body)
    assert first.token != last.token


def test_what_is_replayed_keeps_the_id_of_its_first_reading():
    staged = pa.table({"name": ["a", "b"], RECORD: ["first:3", "first:9"]})
    table = pa.table({"name": ["b", "a"], RID: pa.array([101, 100], pa.int64())})
    assert with_records(table, staged, 100, "run", linked=True).column(RECORD).to_pylist() == ["first:9", "first:3"]
    plain = with_records(table, staged.select(["name"]), 100, "run", linked=True)
    assert plain.column(RECORD).to_pylist() == ["run:101", "run:100"]


def test_a_record_that_another_run_reads_again_has_the_token_it_had():
    staged = pa.table({"name": ["a", "b"], "changed": ["2024-01-01 00:00:00.1", "2024-01-02"], "id": ["1", "2"]})
    table = pa.table({"name": ["a", "b"], RID: pa.array([100, 101], pa.int64())})
    cursor = CursorSpec(column="changed", id="id")

    def tokens(run_id, **more):
        return [item.token for item in made(with_records(table, staged, 100, run_id, linked=True, **more))]

    assert tokens("first", cursor=cursor) == tokens("later", cursor=cursor)
    assert tokens("first") != tokens("later")
    assert tokens("first", cursor=CursorSpec(column="changed")) != tokens("later", cursor=CursorSpec(column="changed"))
    staged = with_origin(ReadBatch(staged, origin="a.csv", first=2, stamp="1-5"))
    assert tokens("first") == tokens("later")
    assert version_of(staged, 1) == "a.csv:3@1-5"
    staged = with_origin(ReadBatch(staged, origin="a.csv", first=2, stamp="2-5"))
    assert tokens("later") != tokens("first", cursor=cursor)


def test_what_json_cannot_hold_is_refused():
    table = pa.table({"x": [1.5, float("nan")], RECORD: ["run:1", "run:2"]})
    request = DeliverRequest("orders", "deliver", "run", 1, table.schema, "append")
    maker = ItemMaker(request, "run/source/00000", table)
    assert maker.rows == [0]
    assert [(row, one.code, one.field) for row, one in maker.refused.items()] == [(1, "json.not_finite", "x")]
