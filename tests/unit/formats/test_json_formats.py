"""NDJSON and JSON arrays: raw tokens in, exact tokens out."""

import datetime as dt
import gzip
import io
import json
from decimal import Decimal

import pyarrow as pa
import pytest

from dragoman.core.batch import position_of, with_origin
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import words_of
from dragoman.formats import json_array, ndjson


def batches(module, data, batch_rows=1000, origin="f.json", **options):
    return list(module.read(io.BytesIO(data), options, origin=origin, batch_rows=batch_rows))


def rows(found):
    return [{k: v for k, v in row.items() if k != "_position"} for batch in found for row in batch.table.to_pylist()]


def test_numbers_keep_the_digits_they_were_written_with():
    data = b'{"n": 12.50, "big": 12345678901234567890.10, "e": 1e400, "t": "x", "o": {"a": [1.0]}, "z": null}\n'
    found = batches(ndjson, data)
    assert rows(found) == [
        {"n": "12.50", "big": "12345678901234567890.10", "e": "1e400", "t": '"x"', "o": '{"a": [1.0]}', "z": None}
    ]
    assert {words_of(field) for field in found[0].table.schema} == {"json"}


def test_ndjson_rejects_broken_lines_and_leaves_blank_ones_out():
    data = b'{"a":1}\n\n{"a":\n[1]\n{"a":1,"a":2}\n{"a":"\xff"}\n{"a":NaN}\r\n{"b":2}'
    found = batches(ndjson, data, origin="f.ndjson")
    assert [(one.code, one.position) for one in found[0].rejects] == [
        ("json.broken", f"f.ndjson:{line}") for line in (3, 4, 5, 6, 7)
    ]
    assert found[0].rejects[0].original == '{"a":'
    assert "stands twice" in found[0].rejects[2].message
    assert rows(found) == [{"a": "1", "b": None}, {"a": None, "b": "2"}]
    table = with_origin(found[0])
    assert [position_of(table, row) for row in (0, 1)] == ["f.ndjson:1", "f.ndjson:8"]


def test_ndjson_that_ends_in_the_middle_of_a_record_is_refused():
    with pytest.raises(FatalError) as caught:
        batches(ndjson, b'{"a":1}\n{"a":2')
    assert caught.value.code == "json.truncated"


def test_a_line_that_is_too_long_is_a_reject_of_its_own():
    data = b'{"a":1}\n{"a":"' + b"x" * 3_000_000 + b'"}\n{"a":3}\n'
    found = batches(ndjson, data, max_record=1000)
    assert [(one.code, one.position) for batch in found for one in batch.rejects] == [("json.too_long", "f.json:2")]
    assert rows(found) == [{"a": "1"}, {"a": "3"}]


def test_ndjson_batches():
    data = b"".join(b'{"a":%d}\n' % number for number in range(10))
    assert [batch.table.num_rows for batch in batches(ndjson, data, batch_rows=4)] == [4, 4, 2]


def test_a_json_array_and_a_list_within_a_document():
    assert rows(batches(json_array, b' [ {"a": 1} , {"a": 2} ] ')) == [{"a": "1"}, {"a": "2"}]
    data = gzip.compress(b'{"data": {"items": [{"a": 1.0}]}}')
    assert rows(batches(json_array, data, records="data.items", compression="gzip")) == [{"a": "1.0"}]
    assert batches(json_array, b"[]") == []


def test_elements_that_are_no_records_are_rejects():
    found = batches(json_array, b'[{"a":1}, 2, {"a":3}, null, {"a":5}]')
    assert [(one.code, one.position, one.original) for one in found[0].rejects] == [
        ("json.broken", "f.json:2", "2"),
        ("json.broken", "f.json:4", "null"),
    ]
    assert found[0].table.column("_position").to_pylist() == [1, 3, 5]


@pytest.mark.parametrize(
    ("data", "options", "code", "says"),
    [
        (b'[{"a":1},', {}, "json.broken", "9 bytes"),
        (b'[{"a":1}] x', {}, "json.broken", "trailing"),
        (b'[{"a":1}, {"a":tru}]', {}, "json.broken", "byte 16"),
        (b"", {}, "json.broken", "0 bytes"),
        (b"[" * 200_000, {}, "json.broken", "deeply"),
        (b'{"data":[]}', {}, "json.records", "no list"),
        (b'{"data":{"rows":[]}}', {"records": "data.items"}, "json.records", "'items'"),
        (b'[{"a":"\xff"}]', {}, "json.broken", "UTF-8"),
        (b'[{"a":1}]', {"max_bytes": 5}, "json.too_large", "5 bytes"),
    ],
)
def test_a_document_that_cannot_be_trusted_is_refused(data, options, code, says):
    with pytest.raises(FatalError) as caught:
        batches(json_array, data, **options)
    assert caught.value.code == code
    assert says in caught.value.message


TABLE = pa.table(
    [
        pa.array([1, None], pa.int64()),
        pa.array([Decimal("1.50"), Decimal("12345678901234567890123456789012345.67")], pa.decimal128(38, 2)),
        pa.array(['a"b\n\x01é', None]),
        pa.array([True, None]),
        pa.array([dt.date(2026, 1, 2), None]),
        pa.array([dt.datetime(2026, 1, 2, tzinfo=dt.UTC), None], pa.timestamp("us", tz="UTC")),
        pa.array([0.1, 1e300]),
        pa.array([b"\xff", None]),
        pa.array(['{"k":\n 1.0}', None]),
    ],
    schema=pa.schema(
        [
            ("i", pa.int64()),
            ("d", pa.decimal128(38, 2)),
            ('t"x', pa.string()),
            ("b", pa.bool_()),
            ("day", pa.date32()),
            ("at", pa.timestamp("us", tz="UTC")),
            ("f", pa.float64()),
            ("bin", pa.binary()),
            pa.field("j", pa.string(), metadata={b"dragoman:type": b"json"}),
        ]
    ),
)
FIRST = (
    '{"i":1,"d":1.50,"t\\"x":"a\\"b\\n\\u0001é","b":true,"day":"2026-01-02","at":"2026-01-02T00:00:00+00:00",'
    '"f":0.1,"bin":"\\\\xff","j":{"k":  1.0}}'
)
SECOND = (
    '{"i":null,"d":12345678901234567890123456789012345.67,"t\\"x":null,"b":null,"day":null,"at":null,'
    '"f":1e+300,"bin":null,"j":null}'
)


def written(module, table, continues=False, old=None, **options):
    stream = io.BytesIO()
    if old is not None:
        continues = module.carry_over(io.BytesIO(old), stream, table.schema, options, origin="out.json")
    writer = module.open_writer(stream, table.schema, options, continues=continues)
    refused = writer.write(table.slice(0, 1)) + writer.write(table.slice(1))
    writer.finish()
    return stream.getvalue().decode(), refused


def test_every_type_has_one_exact_token():
    assert written(ndjson, TABLE) == (f"{FIRST}\n{SECOND}\n", [])
    text, _ = written(json_array, TABLE)
    assert text == f"[\n{FIRST},\n{SECOND}\n]\n"
    assert len(json.loads(text)) == 2


def test_files_are_continued():
    text, _ = written(ndjson, TABLE, old=b'{"i":0}')
    assert text == f'{{"i":0}}\n{FIRST}\n{SECOND}\n'
    text, _ = written(json_array, TABLE, old=b'[\n{"i":0}\n]\n')
    assert text == f'[\n{{"i":0}},\n{FIRST},\n{SECOND}\n]\n'
    for empty in (b"", b"[]", b"[\n]\n"):
        assert written(json_array, TABLE, old=empty)[0] == f"[\n{FIRST},\n{SECOND}\n]\n"
    with pytest.raises(FatalError):
        written(json_array, TABLE, old=b'{"no": "list"}')


def test_what_json_cannot_hold_comes_back():
    table = pa.table({"f": [1.5, float("nan"), float("inf"), None]})
    stream = io.BytesIO()
    writer = ndjson.open_writer(stream, table.schema, {}, continues=False)
    assert [(one.row, one.code, one.field) for one in writer.write(table)] == [
        (1, "json.not_finite", "f"),
        (2, "json.not_finite", "f"),
    ]
    assert stream.getvalue() == b'{"f":1.5}\n{"f":null}\n'


def test_broken_json_in_a_column_comes_back():
    schema = pa.schema([pa.field("j", pa.string(), metadata={b"dragoman:type": b"json"})])
    table = pa.table([pa.array(["{}", "{", '1,"x":2'])], schema=schema)
    stream = io.BytesIO()
    writer = ndjson.open_writer(stream, schema, {}, continues=False)
    assert [one.row for one in writer.write(table)] == [1, 2]
    assert stream.getvalue() == b'{"j":{}}\n'


def test_an_empty_list_is_a_document():
    stream = io.BytesIO()
    json_array.open_writer(stream, TABLE.schema, {}, continues=False).finish()
    assert json.loads(stream.getvalue()) == []
