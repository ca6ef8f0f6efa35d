"""CSV: what a file says is what the table holds, and what cannot be read is named."""

import gzip
import io

import pyarrow as pa
import pytest

from dragoman.core.batch import position_of, with_origin
from dragoman.core.errors import ConfigError, FatalError
from dragoman.formats.delimited import read


def batches(data, batch_rows=1000, origin="f.csv", **options):
    return list(read(io.BytesIO(data), options, origin=origin, batch_rows=batch_rows))


def rows(data, **options):
    found = [row for batch in batches(data, **options) for row in batch.table.to_pylist()]
    return [tuple(value for name, value in row.items() if name != "_position") for row in found]


def rejects(data, **options):
    return [reject for batch in batches(data, **options) for reject in batch.rejects]


def positions(data, **options):
    found = []
    for batch in batches(data, **options):
        table = with_origin(batch)
        found += [position_of(table, row) for row in range(table.num_rows)]
    return found


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        (b'a,b\n1,""\n,2\n"",\n', {}, [("1", ""), (None, "2"), ("", None)]),
        (b'a,b\n1,"x\ny"\n', {}, [("1", "x\ny")]),
        (b'a,b\r\n1,"x\r\ny"\r\n', {}, [("1", "x\r\ny")]),
        (b'a,b\n1,"say ""hi"", you"\n', {}, [("1", 'say "hi", you')]),
        (b'a,b\n1,5" pipe\n2,"x"\n', {}, [("1", '5" pipe'), ("2", "x")]),
        (b"a,b\n1, 2 \n", {}, [("1", " 2 ")]),
        (b"a,b\n1,2", {}, [("1", "2")]),
        (b"\xef\xbb\xbfa,b\n1,2\n", {}, [("1", "2")]),
        (b"a,b\n1,2\n\n3,4\n\n", {}, [("1", "2"), ("3", "4")]),
        (b"a\n1\n\n3\n", {}, [("1",), (None,), ("3",)]),
        (b"a,b\n,\n", {}, [(None, None)]),
        (b"a;b\n1;2,5\n", {"delimiter": ";"}, [("1", "2,5")]),
        (b"a\tb\n1\tx y\n", {"delimiter": "\t"}, [("1", "x y")]),
        (b"a|b\n'x|y'|2\n", {"delimiter": "|", "quote": "'"}, [("x|y", "2")]),
        (b'a,b\n"1",x"y\n', {"quote": ""}, [('"1"', 'x"y')]),
        (b'a,b\n1,"x\\"y"\n2,"l\nm"\n', {"escape": "\\"}, [("1", 'x"y'), ("2", "l\nm")]),
        (b"1,2\n3,4\n", {"header": False, "columns": ["x", "y"]}, [("1", "2"), ("3", "4")]),
        (b"report of May\n\na,b\n1,2\n", {"skip_rows": 2}, [("1", "2")]),
        (b'a,b\nNULL,"NULL"\n-,1\n', {"nulls": ["NULL", "-"]}, [(None, "NULL"), (None, "1")]),
        (b"a,b\r1,2\r3,4\r", {}, [("1", "2"), ("3", "4")]),
        (b"a,b\n1,x\x00y\n", {}, [("1", "x\x00y")]),
        ("a,b\n1,é\n2,李\n".encode("utf-16"), {"encoding": "utf-16"}, [("1", "é"), ("2", "李")]),
        ("a,b\n1,€\n".encode("cp1252"), {"encoding": "cp1252"}, [("1", "€")]),
        ("a,b\n1,ÿ\n".encode("latin-1"), {"encoding": "latin-1"}, [("1", "ÿ")]),
        (b"a,b\n", {}, []),
        (b"", {}, []),
    ],
)
def test_what_stands_in_the_file(data, options, expected):
    assert rows(data, **options) == expected


def test_columns_are_text_in_the_words_of_the_file():
    table = batches(b"n,t\n007,1e3\n")[0].table
    assert table.schema == pa.schema([("n", pa.string()), ("t", pa.string())])
    assert table.to_pylist() == [{"n": "007", "t": "1e3"}]


def test_tabs_by_the_ending():
    assert [batch.table.to_pylist() for batch in batches(b"a\tb\n1\t2\n", origin="x.tsv")] == [[{"a": "1", "b": "2"}]]


def test_gzip_by_ending_and_by_option():
    data = gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n")
    assert sum(batch.read for batch in batches(data, origin="x.csv.gz")) == 2
    assert rows(data, compression="gzip") == [("1", "2"), ("3", "4")]


def test_short_and_long_rows_are_rejects_with_line_and_text():
    data = b'a,b\n1,"x\ny"\n1\n1,2,3\n4,5\n'
    found = rejects(data)
    assert [(one.code, one.position, one.original) for one in found] == [
        ("csv.fields", "f.csv:4", "1"),
        ("csv.fields", "f.csv:5", "1,2,3"),
    ]
    assert "line 5 has 3 fields, expected 2" in found[1].message
    assert rows(data) == [("1", "x\ny"), ("4", "5")]
    assert positions(data) == ["f.csv:2", "f.csv:6"]


def test_text_behind_a_closing_quote_is_a_reject():
    data = b'a,b\n1,"abc\n2,"x"\n3,"ok"\n'
    assert [(one.code, one.position, one.original) for one in rejects(data)] == [
        ("csv.quotes", "f.csv:2", '1,"abc\n2,"x"')
    ]
    assert rows(data) == [("3", "ok")]


def test_text_of_another_encoding_is_a_reject_of_its_record():
    data = "a,b\n1,é\n".encode() + b"2,\xe9t\xe9\n3,ok\n"
    found = rejects(data)
    assert [(one.code, one.position, one.original) for one in found] == [("csv.encoding", "f.csv:3", "2,\\xe9t\\xe9")]
    assert "'b'" in found[0].message
    assert "utf-8" in found[0].message
    assert rows(data) == [("1", "é"), ("3", "ok")]


def test_bytes_that_the_encoding_does_not_have_are_a_reject():
    data = b"a,b\n1,\x81\n2,\xe9\n"
    assert [(one.code, one.original) for one in rejects(data, encoding="cp1252")] == [("csv.encoding", "1,\\x81")]
    assert rows(data, encoding="cp1252") == [("2", "é")]


def test_a_field_that_is_too_long_is_a_reject():
    data = b"a,b\n1," + b"x" * 300_000 + b"\n2,ok\n"
    assert [(one.code, one.position) for one in rejects(data, max_field=200_000)] == [("csv.field_too_long", "f.csv:2")]
    assert rows(data, max_field=200_000) == [("2", "ok")]


@pytest.mark.parametrize(
    ("data", "options", "code", "says"),
    [
        (b'a,b\n1,2\n3,"open\n4,5\n', {}, "csv.truncated", "line 3"),
        (b'a,b\n1,"', {}, "csv.truncated", "line 2"),
        (b'"a,b\n1,2\n', {}, "csv.truncated", "line 1"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 5000)[:-20], {"compression": "gzip"}, "csv.truncated", "gzip"),
        (b"a,b\n1,2\n", {"compression": "gzip"}, "csv.gzip", "f.csv"),
        ("a,b\n1,é\n".encode("utf-16")[:-1], {"encoding": "utf-16"}, "csv.truncated", "utf-16"),
        ("a,b\n1,2\n".encode("utf-16"), {}, "csv.encoding", "utf-16"),
        ("a,é\n1,2\n".encode("latin-1"), {}, "csv.encoding", "header"),
        (b"a,b,a\n1,2,3\n", {}, "csv.header", "'a' stands twice"),
        (b"a,A\n1,2\n", {}, "csv.header", "differ only in case"),
        (b"a,,c\n1,2,3\n", {}, "csv.header", "column 2 has no name"),
        (b"\na,b\n", {}, "csv.header", "empty"),
        (b"_rid,b\n1,2\n", {}, "csv.header", "_rid"),
        (b'a,b\n1,"' + b"x" * 300_000, {"max_field": 100_000}, "csv.truncated", "line 2"),
        (b'a,b\n1,"' + b"x" * 4_000_000, {"max_field": 100_000}, "csv.record_too_long", "line 2"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(data, options, code, says):
    with pytest.raises(FatalError) as caught:
        batches(data, **options)
    assert caught.value.code == code
    assert says in caught.value.message


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": "ab"},
        {"delimiter": '"'},
        {"quote": "é"},
        {"escape": '"'},
        {"header": False},
        {"columns": ["a"]},
        {"header": False, "columns": ["a", "A"]},
        {"skip_rows": -1},
        {"encoding": "klingon"},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ConfigError):
        batches(b"a,b\n1,2\n", **options)


def test_batches_are_no_larger_than_asked_and_lines_stay_exact():
    lines, wanted, at = [b"id,text\n"], [], 2
    for number in range(20_000):
        text = b"two\nlines" if number % 7 == 0 else b"plain"
        lines.append(b'%d,"%s"\n' % (number, text))
        wanted.append((str(number), f"f.csv:{at}"))
        at += 2 if number % 7 == 0 else 1
    data = b"".join(lines)
    found = batches(data, batch_rows=3000)
    assert max(batch.table.num_rows for batch in found) <= 3000
    ids = [value for batch in found for value in batch.table.column("id").to_pylist()]
    assert list(zip(ids, positions(data, batch_rows=3000), strict=True)) == wanted


def test_records_longer_than_a_portion_are_read():
    long = b"y" * 1_000_000
    data = b"a,b\n1,x\n2," + long + b"\n3,z\n"
    assert [(a, len(b)) for a, b in rows(data)] == [("1", 1), ("2", len(long)), ("3", 1)]
