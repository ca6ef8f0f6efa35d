"""CSV: what is written is exact, and NULL is not the empty text."""

import csv
import datetime as dt
import io
from decimal import Decimal

import pyarrow as pa
import pytest

from dragoman.core.errors import ConfigError, FatalError
from dragoman.formats.delimited import carry_over, open_writer

UTC = dt.UTC


def written(table, continues=False, **options):
    stream = io.BytesIO()
    writer = open_writer(stream, table.schema, options, continues=continues)
    assert writer.write(table) == []
    writer.finish()
    return stream.getvalue()


def column(values, kind):
    return pa.table({"a": pa.array(values, kind), "b": pa.array([1] * len(values), pa.int64())})


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.string(), None, ""),
        (pa.string(), "", '""'),
        (pa.string(), "a,b", '"a,b"'),
        (pa.string(), 'say "x"', '"say ""x"""'),
        (pa.string(), "l\nm", '"l\nm"'),
        (pa.string(), "r\r", '"r\r"'),
        (pa.string(), " x ", " x "),
        (pa.string(), "=1+1", "=1+1"),
        (pa.int64(), -(2**63), "-9223372036854775808"),
        (pa.decimal128(38, 2), Decimal("-0.10"), "-0.10"),
        (pa.decimal128(38, 10), Decimal("0.0000000001"), "0.0000000001"),
        (pa.decimal128(38, 0), Decimal("9" * 38), "9" * 38),
        (pa.float64(), 0.1, "0.1"),
        (pa.float64(), float("nan"), "NaN"),
        (pa.float64(), float("-inf"), "-Infinity"),
        (pa.bool_(), True, "true"),
        (pa.date32(), dt.date(1, 1, 1), "0001-01-01"),
        (pa.time64("us"), dt.time(1, 2, 3), "01:02:03"),
        (pa.time64("us"), dt.time(1, 2, 3, 40), "01:02:03.000040"),
        (pa.timestamp("us"), dt.datetime.fromisoformat("2026-01-02T03:04:05"), "2026-01-02T03:04:05"),
        (pa.timestamp("us", tz="UTC"), dt.datetime(2026, 1, 2, 3, 4, 5, 678, UTC), "2026-01-02T03:04:05.000678+00:00"),
        (pa.timestamp("us", tz="UTC"), None, ""),
        (pa.binary(), b"\x00\xff", "\\x00ff"),
        (pa.list_(pa.int64()), [1, 2], '"[1,2]"'),
    ],
)
def test_every_type_has_one_exact_text(kind, value, text):
    assert written(column([value], kind)).decode() == f"a,b\n{text},1\n"


def test_options_of_writing():
    table = pa.table({"a": ["x;y", "NULL", "=1", "-2", None], "b": pa.array([b"\xff", None, b"", b"1", b"2"])})
    text = written(table, delimiter=";", newline="crlf", nulls=["NULL"], formula_guard=True, binary="base64").decode()
    assert text == 'a;b\r\n"x;y";/w==\r\n"NULL";\r\n\'=1;""\r\n\'-2;MQ==\r\n;Mg==\r\n'


def test_guarded_numbers_stay_numbers():
    assert written(pa.table({"n": pa.array([-1], pa.int64())}), formula_guard=True) == b"n\n-1\n"


def test_without_header_and_in_another_encoding():
    assert written(pa.table({"a": ["é"]}), header=False, columns=["a"], encoding="cp1252") == b"\xe9\n"
    assert written(pa.table({"a": ["é"]}), encoding="utf-16").decode("utf-16") == "a\né\n"


def test_a_text_that_the_encoding_lacks_is_refused():
    with pytest.raises(FatalError) as caught:
        written(pa.table({"a": ["李"]}), encoding="cp1252")
    assert caught.value.code == "csv.encoding"


def test_a_file_without_quotes_is_not_written():
    with pytest.raises(ConfigError):
        written(pa.table({"a": ["x"]}), quote="")


def test_python_reads_the_same():
    values = ["plain", "", "a,b", 'q"q', "l\nm", "x\r\ny", "é李"]
    table = pa.table({"a": values, "b": list(reversed(values))})
    found = list(csv.reader(io.StringIO(written(table).decode(), newline="")))
    assert found == [["a", "b"], *map(list, zip(values, reversed(values), strict=True))]


def continued(old, table, **options):
    stream = io.BytesIO()
    carried = carry_over(io.BytesIO(old), stream, table.schema, options, origin="out.csv")
    writer = open_writer(stream, table.schema, options, continues=carried)
    writer.write(table)
    writer.finish()
    return stream.getvalue()


@pytest.mark.parametrize(
    ("old", "new"), [(b"", b"a,b\n1,2\n"), (b"a,b\n", b"a,b\n1,2\n"), (b"a,b\n0,x", b"a,b\n0,x\n1,2\n")]
)
def test_a_file_is_continued_without_a_second_header(old, new):
    assert continued(old, pa.table({"a": ["1"], "b": ["2"]})) == new


def test_a_file_in_utf16_is_continued_with_one_mark():
    old = "a\né\n".encode("utf-16")
    assert continued(old, pa.table({"a": ["ü"]}), encoding="utf-16").decode("utf-16") == "a\né\nü\n"


def test_other_columns_are_not_mixed_into_a_file():
    with pytest.raises(FatalError) as caught:
        continued(b"b,a\n1,2\n", pa.table({"a": ["1"], "b": ["2"]}))
    assert caught.value.code == "csv.other_header"
    assert "b, a" in caught.value.message
