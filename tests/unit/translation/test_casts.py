"""The exact casts, against a corpus of nasty values: each is the value that is written here, or a reject (None)."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.core.fieldtype import parse_type
from dragoman.translation.casts import Words, cast_words
from dragoman.translation.sandbox import Sandbox

D = Decimal
INT_MAX, INT_MIN = 2**63 - 1, -(2**63)


@pytest.fixture(scope="module")
def sandbox():
    opened = Sandbox()
    yield opened
    opened.close()


def cast(sandbox, kind, words, **how):
    sandbox.register("src", pa.table({"w": pa.array(words, pa.string())}))
    return [row[0] for row in sandbox.rows(f"SELECT {cast_words('w', parse_type(kind), Words(**how))} FROM src")]


def moment(*parts):
    return datetime(*parts, tzinfo=UTC)


CORPUS = {
    "integer": {
        "0": 0, "1": 1, "-1": -1, "+7": 7, "007": 7, "-0": 0, " 5": 5, "5 ": 5, "\t5\n": 5,
        "9223372036854775807": INT_MAX, "-9223372036854775808": INT_MIN, "00000000000000000000000000000001": 1,
        "9223372036854775808": None, "-9223372036854775809": None, "": None, " ": None, "1.7": None, "1.0": None,
        "1.": None, "1e3": None, "1E3": None, "0x1A": None, "0b1": None, "1_000": None, "1,000": None, "1 000": None,
        "--1": None, "+-1": None, "+": None, "-": None, "١": None, "１": None, "NaN": None, "Infinity": None, "true": None,
        "null": None, "5\u00a0": None, "5\x00": None, "1/1": None, "½": None, "'1'": None, "$1": None, "99999999999999999999999999": None,
    },
    "decimal(12,2)": {
        "0": D("0.00"), "12.5": D("12.50"), "12.50": D("12.50"), "12.500": D("12.50"), "-0.01": D("-0.01"), "+3": D("3.00"),
        ".5": D("0.50"), "5.": D("5.00"), "-.5": D("-0.50"), " 1.25 ": D("1.25"), "0012.30": D("12.30"), "-0": D("0.00"),
        "9999999999.99": D("9999999999.99"), "-9999999999.99": D("-9999999999.99"), "1.2300000000000000000000000000": D("1.23"),
        "10000000000": None, "9999999999.999": None, "12.345": None, "0.001": None, "1.005": None, "": None, " ": None,
        ".": None, "+": None, "-": None, "1e2": None, "1E-2": None, "0x1A": None, "1_000.00": None, "1,000.00": None,
        "12,50": None, "1.2.3": None, "NaN": None, "nan": None, "Infinity": None, "-inf": None, "--1": None, "1 2": None,
        "12.50 EUR": None, "€5": None, "(5.00)": None, "5-": None, "١.٢": None, "null": None, "true": None, "1.2\u00a0": None,
    },
    "decimal(38,0)": {
        "99999999999999999999999999999999999999": D("9" * 38), "-" + "9" * 38: D("-" + "9" * 38), "1" + "0" * 38: None,
        "12.0": D(12), "12.": D(12), ".0": D(0), "12.1": None, ".5": None, "0.5": None,
    },
    "decimal(38,20)": {
        "0.12345678901234567890": D("0.12345678901234567890"), "123456789012345678.12345678901234567890": D("123456789012345678.12345678901234567890"),
        "0.123456789012345678901": None, "1e-20": None, "1234567890123456789.0": None,
    },
    "decimal(3,3)": {"0.125": D("0.125"), ".125": D("0.125"), "1": None, "0.1251": None, "-.999": D("-0.999")},
    "double": {
        "0": 0.0, "1.5": 1.5, "-1.5": -1.5, "+2": 2.0, ".5": 0.5, "5.": 5.0, "1e3": 1000.0, "1E-3": 0.001, "1.5e+2": 150.0,
        " 2.5 ": 2.5, "0.1": 0.1, "1e308": 1e308, "5e-324": 5e-324, "-0": 0.0, "0e0": 0.0, "0e999": 0.0, "00012": 12.0,
        "12345678901234567890": 12345678901234567890.0, "Infinity": float("inf"), "-Infinity": float("-inf"),
        "1e400": None, "-1e400": None, "1e-400": None, "": None, " ": None, "inf": None, "infinity": None, "nan": None,
        "0x1A": None, "1_000": None, "1e5_0": None, "1,5": None, "1e": None, "e5": None, ".": None, "+": None, "1.2.3": None,
        "--1": None, "+-1": None, "++1": None, "-+1": None, "- 1": None, "1e+-5": None, "1f": None, "1d": None, "true": None, "١": None, "1 2": None, "5%": None, "NAN": None,
    },
    "boolean": {
        "true": True, "false": False, "TRUE": True, "False": False, "1": True, "0": False, " true ": True,
        "t": None, "f": None, "yes": None, "no": None, "on": None, "off": None, "y": None, "n": None, "2": None, "-1": None,
        "1.0": None, "01": None, "": None, " ": None, "tru": None, "truefalse": None, "null": None,
    },
    "date": {
        "2024-02-29": date(2024, 2, 29), "0001-01-01": date(1, 1, 1), "9999-12-31": date(9999, 12, 31), " 2024-01-31 ": date(2024, 1, 31),
        "2000-02-29": date(2000, 2, 29), "1582-10-10": date(1582, 10, 10),
        "2023-02-29": None, "1900-02-29": None, "2024-02-30": None, "2024-13-01": None, "2024-00-01": None, "2024-01-00": None,
        "2024-01-32": None, "2024-1-2": None, "26-1-2": None, "24-01-02": None, "2024/01/02": None, "2024 01 02": None,
        "20240102": None, "02.01.2024": None, "01/02/2024": None, "2024-01-02T00:00:00": None, "2024-01-02 00:00:00": None,
        "2024-01-02Z": None, "0000-01-01": None, "-0001-01-01": None, "10000-01-01": None, "0044-03-15 (BC)": None,
        "infinity": None, "-infinity": None, "epoch": None, "today": None, "now": None, "": None, " ": None, "2024-W05-1": None,
        "2024-001": None, "2024-01": None, "２０２４-01-02": None, "2024-01-02x": None, "2024-01-0２": None,
    },
    "time": {
        "00:00:00": time(0), "23:59:59": time(23, 59, 59), "12:30": time(12, 30), "12:30:15.5": time(12, 30, 15, 500000),
        "12:30:15.123456": time(12, 30, 15, 123456), "12:30:15.1234560": time(12, 30, 15, 123456), " 12:30:00 ": time(12, 30),
        "24:00": None, "24:00:00": None, "23:59:60": None, "12:60:00": None, "12:30:15.1234567": None, "1:30": None, "1:30:00": None,
        "12": None, "1230": None, "12:30:": None, "12:30:1": None, "12.30": None, "12:30 PM": None, "12:30:00Z": None,
        "12:30:00+02": None, "-12:30:00": None, "": None, " ": None, "noon": None, "25:00:00": None, "12:30:00,5": None,
        "T12:30:00": None, "2024-01-01 12:30:00": None, "١٢:30:00": None, "12:5:00": None, "12:30:15.": None,
    },
    "timestamp": {
        "2024-01-31 10:20:30": datetime(2024, 1, 31, 10, 20, 30), "2024-01-31T10:20:30": datetime(2024, 1, 31, 10, 20, 30),
        "2024-01-31 10:20": datetime(2024, 1, 31, 10, 20), "2024-01-31 10:20:30.123456": datetime(2024, 1, 31, 10, 20, 30, 123456),
        "2024-01-31 10:20:30.5": datetime(2024, 1, 31, 10, 20, 30, 500000), "2024-01-31 10:20:30.123456000": datetime(2024, 1, 31, 10, 20, 30, 123456),
        "0001-01-01 00:00:00": datetime(1, 1, 1), "9999-12-31 23:59:59.999999": datetime(9999, 12, 31, 23, 59, 59, 999999),
        " 2024-01-31T10:20:30 ": datetime(2024, 1, 31, 10, 20, 30),
        "2024-01-31": None, "2023-02-29 00:00:00": None, "2024-01-31 24:00:00": None, "2016-12-31 23:59:60": None,
        "2024-01-31 10:20:30.1234567": None, "2024-01-31 10:20:30Z": None, "2024-01-31T10:20:30+02:00": None,
        "2024-01-31  10:20:30": None, "2024-1-31 10:20:30": None, "24-01-31 10:20:30": None, "2024-01-31 1:20:30": None,
        "2024-01-31t10:20:30": None, "31.01.2024 10:20": None, "20240131T102030": None, "1706696430": None, "infinity": None,
        "-infinity": None, "epoch": None, "now": None, "": None, " ": None, "10000-01-01 00:00:00": None, "0044-03-15 (BC) 00:00:00": None,
        "2024-01-31 10: 0:30": None, "2024-01-31 10:20:5.": None, "2024-01-31 10:20:30 PM": None, "2024-01-3T 10:20:30": None, "0000-01-01 00:00:00": None,
        "2024-04-31 00:00:00": None,
    },
    "timestamptz": {
        "2024-01-31T10:20:30Z": moment(2024, 1, 31, 10, 20, 30), "2024-01-31 10:20:30+00": moment(2024, 1, 31, 10, 20, 30),
        "2024-01-31 10:20:30+02": moment(2024, 1, 31, 8, 20, 30), "2024-01-31T10:20:30+02:00": moment(2024, 1, 31, 8, 20, 30),
        "2024-01-31T10:20:30+0200": moment(2024, 1, 31, 8, 20, 30), "2024-01-31 10:20:30 -05:30": moment(2024, 1, 31, 15, 50, 30),
        "2024-01-31 10:20:30 Z": moment(2024, 1, 31, 10, 20, 30), "2024-01-31 10:20:30.5+00:00": moment(2024, 1, 31, 10, 20, 30, 500000),
        "2024-01-31T10:20Z": moment(2024, 1, 31, 10, 20), "2024-01-31T10:20:30.123456-00:00": moment(2024, 1, 31, 10, 20, 30, 123456),
        " 2024-01-31T00:00:00+14:00 ": moment(2024, 1, 30, 10), "9999-12-31T23:59:59Z": moment(9999, 12, 31, 23, 59, 59),
        "2024-01-31T10:20:30+00:00": moment(2024, 1, 31, 10, 20, 30), "2024-01-31T10:20:30+0000": moment(2024, 1, 31, 10, 20, 30),
        "1600-03-01T00:00:00+01:00": moment(1600, 2, 29, 23),
        "9999-12-31T23:59:59-01:00": None, "0001-01-01T00:00:00+01:00": None, "2024-01-31T10:20:30": None, "2024-01-31 10:20:30": None,
        "2024-01-31": None, "2023-02-29T00:00:00Z": None, "2024-01-31T24:00:00Z": None, "2016-12-31T23:59:60Z": None,
        "2024-01-31T10:20:30+99:00": None, "2024-01-31T10:20:30+2": None, "2024-01-31T10:20:30+02:60": None, "2024-01-31T10:20:30+02:0": None,
        "2024-01-31T10:20:30 Europe/Paris": None, "2024-01-31T10:20:30 UTC": None, "2024-01-31T10:20:30z": None, "2024-01-31T10:20:30ZZ": None,
        "2024-01-31T10:20:30.1234567Z": None, "infinity": None, "-infinity": None, "": None, " ": None, "now": None, "1706696430": None,
        "10000-01-01T00:00:00Z": None, "Wed, 31 Jan 2024 10:20:30 GMT": None, "2024-01-31T10:20:5.Z": None,
    },
    "json": {
        '{"a": 12.50}': '{"a": 12.50}', "[1, 2]": "[1, 2]", "null": "null", '"x"': '"x"', "1.10": "1.10", '{"a": "NaN"}': '{"a": "NaN"}',
        '"Infinity \\" and"': '"Infinity \\" and"', "true": "true",
        "": None, " ": None, "{": None, "{'a': 1}": None, "NaN": None, '{"a": Infinity}': None, '{"a": -inf}': None, "[1,]": None, "undefined": None, "01": None, "{} {}": None, "[1, ]": None, "[1 // x\n]": None, '{"a": ",]"}': '{"a": ",]"}', "[1]x": None,
    },
    "binary": {
        "QQ==": b"A", "QUI=": b"AB", "QUJD": b"ABC", r"\x4142": b"AB", r"\x": b"", r"\xFf": b"\xff", " QQ== ": b"A",
        "": None, " ": None, "Q": None, "QQ": None, "QQ=": None, "QR==": None, r"\x4": None, r"\xZZ": None, "@@@@": None, "A-_A": None,
    },
    "text": {"": "", " a ": " a ", "NULL": "NULL", "0x1A": "0x1A", "ü\x00": "ü\x00"},
}  # fmt: skip


@pytest.mark.parametrize("kind", CORPUS)
def test_corpus(sandbox, kind):
    words, expected = list(CORPUS[kind]), list(CORPUS[kind].values())
    found = cast(sandbox, kind, words)
    wrong = {word: (got, want) for word, got, want in zip(words, found, expected, strict=True) if got != want}
    assert wrong == {}


def test_every_number_and_date_type_has_thirty_nasty_values():
    for kind in ("integer", "decimal(12,2)", "double", "date", "time", "timestamp", "timestamptz"):
        assert len(CORPUS[kind]) >= 30, kind


@pytest.mark.parametrize("kind", CORPUS)
def test_null_is_null(sandbox, kind):
    assert cast(sandbox, kind, [None, None]) == [None, None]


def test_nan_is_a_double_as_postgresql_writes_it(sandbox):
    (found,) = cast(sandbox, "double", ["NaN"])
    assert found != found


def test_own_words_for_true_and_false(sandbox):
    found = cast(sandbox, "boolean", ["Ja", "nein", "true", "1", " JA "], true=("ja",), false=("nein",))
    assert found == [True, False, None, None, True]


@pytest.mark.parametrize(
    ("kind", "pattern", "words", "expected"),
    [
        ("date", "%d.%m.%Y", ["31.01.2024", "1.2.2024", "31.02.2024", "2024-01-31", "", " 01.02.2024 ", "01.02.24"],
         [date(2024, 1, 31), None, None, None, None, date(2024, 2, 1), None]),
        ("date", "%-d/%-m/%y", ["1/2/24", "31/12/99", "01/02/24"], [date(2024, 2, 1), date(1999, 12, 31), None]),
        ("date", "%d-%b-%Y", ["31-Jan-2024", "31-JAN-2024", "31-Foo-2024"], [date(2024, 1, 31), date(2024, 1, 31), None]),
        ("date", "%Y-%m-%d %H:%M", ["2024-01-31 00:00", "2024-01-31 10:00"], [date(2024, 1, 31), None]),
        ("time", "%H%M", ["0930", "2400", "930"], [time(9, 30), None, None]),
        ("timestamp", "%Y%m%d%H%M%S", ["20240131102030", "20240131102060", "2024013110203"], [datetime(2024, 1, 31, 10, 20, 30), None, None]),
        ("timestamptz", "%d/%m/%Y %H:%M %z", ["31/01/2024 10:20 +0200", "31/01/2024 10:20"], [moment(2024, 1, 31, 8, 20), None]),
        ("timestamptz", "%d/%m/%Y %H:%M", ["31/01/2024 10:20"], [None]),
    ],
)  # fmt: skip
def test_patterns_are_strict(sandbox, kind, pattern, words, expected):
    assert cast(sandbox, kind, words, format=pattern) == expected


def test_local_moments_of_a_zone(sandbox):
    words = [
        "2024-01-31 10:00:00",
        "2024-07-31T10:00:00",
        "2024-07-31T10:00:00Z",
        "2024-03-31 02:30:00",  # skipped by the change to summer time
        "2024-10-27 02:30:00",  # there twice
        "2024-03-31 03:00:00",
        "2024-10-27 01:59:59",
        "2024-10-27 03:00:00",
        "2024-02-30 10:00:00",
    ]
    assert cast(sandbox, "timestamptz", words, timezone="Europe/Paris") == [
        moment(2024, 1, 31, 9),
        moment(2024, 7, 31, 8),
        moment(2024, 7, 31, 10),
        None,
        None,
        moment(2024, 3, 31, 1),
        moment(2024, 10, 26, 23, 59, 59),
        moment(2024, 10, 27, 2),
        None,
    ]


def test_half_an_hour_is_a_clock_change_too(sandbox):
    words = ["2024-04-07 01:45:00", "2024-10-06 02:15:00", "2024-06-01 12:00:00"]
    found = cast(sandbox, "timestamptz", words, timezone="Australia/Lord_Howe")
    assert found == [None, None, moment(2024, 6, 1, 1, 30)]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12), min_size=1
    )
)
def test_decimals_round_trip(values):
    sandbox = _shared()
    assert cast(sandbox, "decimal(18,4)", [f"{value:f}" for value in values]) == values


@settings(max_examples=15, deadline=None)
@given(st.lists(st.datetimes(), min_size=1))
def test_moments_round_trip(values):
    sandbox = _shared()
    for separator in " T":
        words = [value.isoformat(separator) for value in values]
        assert cast(sandbox, "timestamp", words) == values
        assert cast(sandbox, "timestamptz", [f"{word}Z" for word in words]) == [
            one.replace(tzinfo=UTC) for one in values
        ]
    assert cast(sandbox, "date", [value.date().isoformat() for value in values]) == [value.date() for value in values]
    assert cast(sandbox, "time", [value.time().isoformat() for value in values]) == [value.time() for value in values]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_doubles_round_trip(values):
    assert cast(_shared(), "double", [repr(value) for value in values]) == values


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(alphabet="0123456789+-.eE_ xT:Z/\t", max_size=12), min_size=20, max_size=60))
def test_noise_is_never_read_as_more_than_it_says(words):
    """What is accepted is what Python's own strict readers make of the trimmed words."""
    sandbox = _shared()
    for word, found in zip(words, cast(sandbox, "double", words), strict=True):
        if found is not None:
            assert "_" not in word
            assert float(word) == found
    for word, found in zip(words, cast(sandbox, "integer", words), strict=True):
        if found is not None:
            assert int(word) == found
            assert "_" not in word
    for word, found in zip(words, cast(sandbox, "decimal(12,2)", words), strict=True):
        if found is not None:
            assert Decimal(word.strip()) == found
            assert "e" not in word.lower()


@settings(max_examples=15, deadline=None)
@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)), st.data())
def test_one_wrong_character_is_never_another_moment(value, data):
    word = value.replace(microsecond=0).isoformat(" ")
    place = data.draw(st.integers(0, len(word) - 1))
    spoilt = word[:place] + data.draw(st.sampled_from(" T:-./_aZ+")) + word[place + 1 :]
    (found,) = cast(_shared(), "timestamp", [spoilt])
    try:
        expected = datetime.fromisoformat(spoilt.strip()) if len(spoilt.strip()) == 19 and spoilt[10] in " T" else None
    except ValueError:
        expected = None
    assert found is None or found == expected
    assert found is None or abs(found - value) <= timedelta(seconds=1)


_SANDBOXES = []


def _shared():
    if not _SANDBOXES:
        _SANDBOXES.append(Sandbox())
    return _SANDBOXES[0]
