"""JSON as raw tokens; what the standard leaves open is refused."""

import msgspec
import pytest

from dragoman.core.documents import list_at, read_objects, table_of
from dragoman.core.errors import FatalError

GOOD = b'{"a":1.50,"b":"x"}'


def test_records_become_columns_of_tokens_in_the_order_of_their_keys():
    records, broken = read_objects([GOOD, b'{"c": {"d":[1 , 2]}, "a":null}', b'{"b":"\\u0000 \\"null\\""}'])
    assert broken == {}
    assert table_of(records).to_pydict() == {
        "a": ["1.50", None, None],
        "b": ['"x"', None, '"\\u0000 \\"null\\""'],
        "c": [None, '{"d":[1 , 2]}', None],
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a":NaN}', "invalid character"),
        (b'{"a":Infinity}', "invalid character"),
        (b'{"a":-Infinity}', "invalid character"),
        (b'{"a":01}', "invalid number"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\\udc00 tail of it"}', ""),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"\xed\xa0\x80":1}', "UTF-8"),
        (b'{"a":1,"a":2}', "'a' stands twice"),
        (b'{"a" : 1, "b":":", "a"\n: 2}', "'a' stands twice"),
        (b'{"a":{"b":1,"b":2}}', "'b' stands twice"),
        (b'{"a":[{"b":1},{"c":{"d":1,"d":1}}]}', "'d' stands twice"),
        (b'{"a":"\\":","a":2}', "'a' stands twice"),
        (b'{"a\\\\":1,"a\\\\":2}', "stands twice"),
        (b'{"a":1} {"a":2}', "trailing"),
        (b'{"a":1', "truncated"),
        (b'{"a":"\x01"}', "invalid character"),
        (b"[1]", "no object"),
        (b"7", "no object"),
        (b"", "truncated"),
        (b"{}", "no key"),
        (b'{"":1}', "empty key"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeply"),
    ],
)
def test_one_bad_record_is_named_and_the_others_stay(text, why):
    records, broken = read_objects([GOOD, text, GOOD])
    assert list(broken) == [1]
    assert why in broken[1]
    assert len(records) == 2


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":"x\\":y","b":"c :d","t":":"}',
        b'{"a":{"b":1},"b":{"a":1,"b":[{"a":1},{"a":2}]}}',
        b'{ "a" : 1 , "b" : "\\\\" }',
        b'{"__proto__":1,"__class__":2}',
    ],
)
def test_colons_quotes_and_nesting_are_no_doubled_keys(text):
    assert read_objects([text, GOOD])[1] == {}


def test_names_that_are_kept_are_refused():
    with pytest.raises(FatalError, match="_rid"):
        table_of([{"_rid": msgspec.Raw(b"1")}])


def test_no_records_are_no_columns():
    assert table_of([]).num_rows == 0


def test_a_list_within_a_document():
    assert [bytes(item) for item in list_at(b'{"data":{"rows":[1, {"a":2.0}]}}', "data.rows")] == [b"1", b'{"a":2.0}']
