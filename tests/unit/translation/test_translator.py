"""The field map on text, JSON and native columns: outputs, rejects and the account of every record."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.fieldtype import parse_type, type_of, words_field
from dragoman.core.flow import FieldSpec, TranslationSpec
from dragoman.translation.engine import Translator

D = Decimal


def spec(*fields, **rest):
    made = tuple(one if isinstance(one, FieldSpec) else FieldSpec(name=one, expression=one) for one in fields)
    return TranslationSpec(node="translate", inputs=("source",), fields=made if fields else None, **rest)


def field(name, expression=None, type="", **rest):  # noqa: A002 - as in the YAML
    return FieldSpec(name=name, expression=expression or name, type=type, **rest)


def documents(*records):
    """Staged JSON: each value is the raw token, so numbers can be written as they stand."""
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = [[record.get(name) for record in records] for name in names]
    return pa.table(columns, schema=pa.schema([words_field(name, json=True) for name in names]))


def apply(what, table, base=0, **rest):
    translator = Translator(what, table.schema, **rest)
    try:
        result = translator.apply(table, base)
        assert translator.schema.names == result.outputs.schema.names[:-1]
        assert result.outputs.schema.names[-1] == "_rid"
    finally:
        translator.close()
    lost = result.records_in - result.passed - sum(result.filtered.values())
    assert lost <= len(result.rejects)
    return result


def rows(result):
    return [tuple(row.values()) for row in result.outputs.to_pylist()]


def refusals(result):
    return [(one.code, one.field, one.rid) for one in result.rejects]


def test_a_plain_map_of_text():
    table = pa.table({"id": ["1", "2"], "amount": ["12.50", "3"], "name": ["ann", None]})
    what = spec(field("id", type="integer"), field("total", "amount", "decimal(12,2)"), field("name", "upper(name)"))
    result = apply(what, table, 40)
    assert rows(result) == [(1, D("12.50"), "ANN", 40), (2, D("3.00"), None, 41)]
    assert result.outputs.schema.field("total").type == pa.decimal128(12, 2)
    assert (result.records_in, result.passed, result.filtered, result.rejects) == (2, 2, {}, [])


def test_a_failing_record_is_rejected_alone_with_field_value_and_reason():
    table = pa.table({"id": ["1", "x", "3"], "amount": ["1.00", "2.00", "3.005"]})
    result = apply(spec(field("id", type="integer"), field("amount", type="decimal(5,2)")), table, 10)
    assert rows(result) == [(1, D("1.00"), 10)]
    assert refusals(result) == [("type.integer", "id", 11), ("type.decimal", "amount", 12)]
    assert "'x'" in result.rejects[0].message
    assert "3.005" in result.rejects[1].message
    assert "decimal(5,2)" in result.rejects[1].message
    assert json.loads(result.rejects[0].mapped) == {"id": None, "amount": 2.00}
    assert {one.stage for one in result.rejects} == {"translate"}


def test_only_the_first_failure_of_a_record_is_named():
    result = apply(spec(field("a", type="integer"), field("b", type="date")), pa.table({"a": ["x"], "b": ["y"]}))
    assert refusals(result) == [("type.integer", "a", 0)]


def test_required_default_and_their_order():
    table = pa.table({"a": ["1", None, ""], "b": [None, "2", "3"]})
    what = spec(
        field("a", type="text", required=True), field("b", type="integer", default=7, has_default=True, required=True)
    )
    result = apply(what, table)
    assert rows(result) == [("1", 7, 0), ("", 3, 2)]
    assert refusals(result) == [("field.required", "a", 1)]


def test_empty_text_where_a_value_is_typed_is_a_reject_and_takes_no_default():
    what = spec(field("a", type="integer", default=7, has_default=True))
    result = apply(what, pa.table({"a": ["", None]}))
    assert rows(result) == [(7, 1)]
    assert refusals(result) == [("type.integer", "a", 0)]
    assert "empty" in result.rejects[0].message


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        ("decimal(5,2)", "1.5", D("1.50")),
        ("decimal(5,2)", 1.5, D("1.50")),
        ("boolean", True, True),
        ("timestamptz", "2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("json", {"a": 1}, '{"a": 1}'),
        ("text", "it's", "it's"),
        ("binary", "QQ==", b"A"),
    ],
)
def test_defaults_of_each_type(kind, default, expected):
    what = spec(field("a", type=kind, default=default, has_default=True))
    assert rows(apply(what, pa.table({"a": pa.array([None], pa.string())}))) == [(expected, 0)]


def test_a_default_of_the_wrong_type_is_a_mistake_of_the_map():
    with pytest.raises(ConfigError, match="'soon'") as caught:
        Translator(spec(field("a", type="date", default="soon", has_default=True)), pa.schema([("a", pa.string())]))
    assert caught.value.code == "field.default"


def test_check_and_checks_see_typed_outputs_and_null_passes():
    table = pa.table({"a": ["5", "-1", None, "9"], "b": ["1", "1", "1", "10"]})
    what = spec(
        field("amount", "a", "integer", check="amount > 0"), field("b", type="integer"), checks={"order": "amount >= b"}
    )
    result = apply(what, table)
    assert rows(result) == [(5, 1, 0), (None, 1, 2)]
    assert refusals(result) == [("field.check", "amount", 1), ("check.order", "", 3)]
    assert "-1" in result.rejects[0].message
    assert "amount = 9" in result.rejects[1].message


def test_filter_sees_the_input_and_null_is_not_true():
    table = pa.table({"s": ["open", "draft", None], "n": ["1", "not looked at", "3"]})
    result = apply(spec(field("n", type="integer"), filter="s <> 'draft'"), table)
    assert rows(result) == [(1, 0)]
    assert (result.passed, result.filtered, result.rejects) == (1, {"filter": 2}, [])


def test_a_filter_that_cannot_be_evaluated_rejects():
    result = apply(spec("n", filter="CAST(n AS INTEGER) > 1"), pa.table({"n": ["2", "1", "x"]}))
    assert rows(result) == [("2", 0)]
    assert result.filtered == {"filter": 1}
    assert refusals(result) == [("expression.failed", "filter", 2)]


def test_one_row_that_raises_does_not_take_the_batch_along():
    table = pa.table({"a": ["1", "0", None, "x", "9223372036854775807"]})
    result = apply(spec(field("q", "10 // CAST(a AS BIGINT)"), field("p", "CAST(a AS BIGINT) + 1")), table)
    assert rows(result) == [(10, 2, 0), (None, None, 2)]
    assert refusals(result) == [
        ("expression.failed", "q", 1),
        ("expression.failed", "q", 3),
        ("expression.failed", "p", 4),
    ]
    assert "zero" in result.rejects[0].message.lower()
    assert "'x'" in result.rejects[1].message
    assert "9223372036854775807" in result.rejects[2].message


def test_a_check_that_raises_rejects():
    result = apply(spec(field("a", type="integer", check="10 // a > 1")), pa.table({"a": ["1", "0"]}))
    assert rows(result) == [(1, 0)]
    assert refusals(result) == [("expression.failed", "a", 1)]


def test_declared_types_of_the_source_are_exact_and_only_judged_where_used():
    schema = pa.schema(
        [
            words_field("a", declared=parse_type("decimal(8,3)")),
            words_field("b", declared=parse_type("date")),
            words_field("c"),
        ]
    )
    table = pa.table([["1.5", "x", "2"], ["bad", "bad", "bad"], ["k", "l", "m"]], schema=schema)
    result = apply(spec(field("double_a", "a * 2"), "c"), table)
    assert rows(result) == [(D("3.000"), "k", 0), (D("4.000"), "m", 2)]
    assert refusals(result) == [("type.decimal", "double_a", 1)]
    assert apply(spec("c"), table).passed == 3


def test_types_given_beside_the_schema_win():
    result = apply(spec(field("b", "a + 1")), pa.table({"a": ["1"]}), types={"a": "integer"})
    assert rows(result) == [(2, 0)]


def test_words_go_from_json_to_decimals_unharmed():
    table = documents(
        {"n": "12.50", "s": '"12.5"', "long": "0.12345678901234567890"}, {"n": "1", "s": "7", "long": "1"}
    )
    what = spec(field("n", type="decimal(6,2)"), field("s", type="decimal(6,2)"), field("long", type="decimal(21,20)"))
    assert rows(apply(what, table)) == [
        (D("12.50"), D("12.50"), D("0.12345678901234567890"), 0),
        (D("1.00"), D("7.00"), D("1.00000000000000000000"), 1),
    ]


def test_kinds_of_json_columns():
    table = documents(
        {"i": "1", "d": "1", "t": '"a\\u00e9\\"\\n"', "b": "true", "o": '{"x": 1.50}', "m": "1", "z": None},
        {"i": "-2", "d": "2.5", "t": '"z"', "b": "false", "o": "[1]", "m": '"x"', "z": None},
    )
    result = apply(spec(), table)
    kinds = {one.name: str(type_of(one)) for one in result.outputs.schema if one.name != "_rid"}
    assert kinds == {"i": "integer", "d": "double", "t": "text", "b": "boolean", "o": "json", "m": "json", "z": "text"}
    assert rows(result) == [
        (1, 1.0, 'aé"\n', True, '{"x": 1.50}', "1", None, 0),
        (-2, 2.5, "z", False, "[1]", '"x"', None, 1),
    ]


def test_a_value_that_leaves_its_frozen_kind_is_rejected_only_where_used():
    first, later = (
        documents({"n": "1", "k": '"a"'}),
        documents({"n": '"one"', "k": '"b"'}, {"n": "2.5", "k": '"c"'}, {"n": "3", "k": '"d"'}),
    )
    translator = Translator(spec(field("twice", "n * 2"), "k"), first.schema)
    assert rows(translator.apply(first)) == [(2, "a", 0)]
    result = translator.apply(later)
    assert rows(result) == [(6, "d", 2)]
    assert refusals(result) == [("type.changed", "twice", 0), ("type.changed", "twice", 1)]
    assert '"one"' in result.rejects[0].message
    unused = Translator(spec("k"), first.schema)
    unused.apply(first)
    assert unused.apply(later).passed == 3


def test_expressions_compute_with_what_most_values_of_a_mixture_are():
    numbers = documents({"n": "2"}, {"n": '"two"'}, {"n": "1.5"}, {"n": None}, {"n": "[1]"})
    result = apply(spec(field("twice", "n * 2"), "n"), numbers)
    assert rows(result) == [(4.0, "2", 0), (3.0, "1.5", 2), (None, None, 3)]
    assert refusals(result) == [("type.changed", "twice", 1), ("type.changed", "twice", 4)]
    assert "is double" in result.rejects[0].message
    texts = documents({"t": '"a1"'}, {"t": "12.50"}, {"t": '"b"'}, {"t": "3"}, {"t": '{"x": 1}'})
    result = apply(spec(field("u", "upper(t)"), "t"), texts)
    assert rows(result) == [("A1", '"a1"', 0), ("12.50", "12.50", 1), ("B", '"b"', 2), ("3", "3", 3)]
    assert refusals(result) == [("type.changed", "u", 4)]


def test_a_mixture_that_is_handed_on_stays_what_it_was():
    table = documents({"n": "2"}, {"n": '"two"'}, {"n": "1.50"}, {"n": "true"}, {"n": '{"a": [1.0]}'})
    result = apply(spec(), table)
    assert str(type_of(result.outputs.schema.field("n"))) == "json"
    assert rows(result) == [("2", 0), ('"two"', 1), ("1.50", 2), ("true", 3), ('{"a": [1.0]}', 4)]


def test_a_filter_sees_most_values_of_a_mixture():
    table = documents({"on": "true"}, {"on": '"yes"'}, {"on": "false"}, {"on": "true"})
    result = apply(spec("on", filter="on"), table)
    assert rows(result) == [("true", 0), ("true", 3)]
    assert refusals(result) == [("type.changed", "filter", 1)]


def test_a_number_that_a_double_cannot_hold_says_declare_a_decimal():
    table = documents(
        {"n": "0.1"}, {"n": "12345678901234567.5"}, {"n": "1e400"}, {"n": "1e2"}, {"n": "0.12345678901234567890"}
    )
    result = apply(spec("n"), table)
    assert rows(result) == [(0.1, 0), (100.0, 3)]
    assert refusals(result) == [("number.inexact", "n", 1), ("type.changed", "n", 2), ("number.inexact", "n", 4)]
    assert "decimal" in result.rejects[0].message


def test_whole_numbers_beyond_64_bit_are_not_rounded_silently():
    result = apply(spec("n"), documents({"n": "18446744073709551616"}, {"n": "18446744073709551617"}))
    assert refusals(result) == [("number.inexact", "n", 0), ("number.inexact", "n", 1)]
    exact = apply(spec(field("n", type="decimal(38,0)")), documents({"n": "18446744073709551617"}))
    assert rows(exact) == [(D("18446744073709551617"), 0)]


def test_nested_paths_and_what_is_missing_on_the_way():
    table = documents(
        {"c": '{"a": {"city": "Graz", "n": 1.10}, "id": 7}'},
        {"c": '{"a": null, "id": 8}'},
        {"c": '{"id": 9}'},
        {"c": None},
        {"c": '"text"'},
        {"c": '{"a": [1], "id": 10}'},
    )
    result = apply(
        spec(field("city", "upper(c.a.city)"), field("n", "c.a.n", "decimal(5,2)"), field("id", "c.id")), table
    )
    assert rows(result) == [("GRAZ", D("1.10"), 7, 0), (None, None, 8, 1), (None, None, 9, 2), (None, None, None, 3)]
    assert refusals(result) == [("type.changed", "city", 4), ("type.changed", "city", 5)]
    assert '"text"' in result.rejects[0].message


def test_a_key_that_a_batch_lacks_is_null_and_one_that_no_batch_has_is_a_mistake():
    schema = documents({"name": '"a"', "note": '"b"'}).schema
    translator = Translator(spec("name", "note"), schema, kinds={"name": "text", "note": "text"})
    assert rows(translator.apply(documents({"name": '"x"'}))) == [("x", None, 0)]
    with pytest.raises(ConfigError, match="did you mean name") as caught:
        Translator(spec(field("n", "nmae")), schema)
    assert caught.value.code == "translation.unknown_column"


def test_names_match_exactly_first_then_without_case():
    table = pa.table({"Id": ["1"], "id": ["2"], "NAME": ["n"]})
    assert rows(apply(spec(field("a", "Id"), field("b", "id"), field("c", "name")), table)) == [("1", "2", "n", 0)]
    with pytest.raises(ConfigError, match="ID"):
        Translator(spec("ID"), table.schema)


def test_words_of_sql_are_names_where_they_stand_alone():
    table = pa.table({"order": ["1"], "at": ["2"], "from": ["3"], "true": ["4"]})
    assert rows(apply(spec("order", "at", "from", field("t", '"true"')), table)) == [("1", "2", "3", "4", 0)]


def test_odd_column_names():
    table = pa.table({"a b": ["1"], 'q"uote': ["2"], "select": ["3"], "é": ["4"], "dot.ted": ["5"]})
    what = spec(
        field("x", '"a b"'),
        field("y", '"q""uote"'),
        field("z", '"select"'),
        field("é", "é || '!'"),
        field("w", '"dot.ted"'),
    )
    assert rows(apply(what, table)) == [("1", "2", "3", "4!", "5", 0)]
    assert apply(spec(), table).outputs.column_names == [*table.column_names, "_rid"]


def test_identity_refuses_a_field_that_the_frozen_schema_does_not_have():
    translator = Translator(spec(), documents({"a": "1"}).schema)
    translator.apply(documents({"a": "1"}))
    result = translator.apply(
        documents({"a": "1", "_id": None}, {"a": "2", "_id": '"new"'}, {"a": '"x"', "_id": None}), 5
    )
    assert rows(result) == [(1, 5)]
    assert refusals(result) == [("schema.unknown_field", "_id", 6), ("type.changed", "a", 7)]
    assert "new" in result.rejects[0].message


def test_native_columns():
    table = pa.table(
        {
            "i": pa.array([1, None], pa.int32()),
            "u": pa.array([2**64 - 1, 1], pa.uint64()),
            "d": pa.array([D("1.25"), D("2.50")], pa.decimal128(10, 2)),
            "t": pa.array([datetime(2024, 1, 1), None], pa.timestamp("ns")),
            "s": pa.array([{"x": 1, "y": ["a"]}, None]),
            "k": pa.array(["a", "b"]).dictionary_encode(),
        }
    )
    what = spec("i", field("d", type="decimal(12,3)"), "t", field("x", "s.x"), "s", "k")
    result = apply(what, table)
    assert rows(result) == [
        (1, D("1.250"), datetime(2024, 1, 1), 1, '{"x":1,"y":["a"]}', "a", 0),
        (None, D("2.500"), None, None, None, "b", 1),
    ]
    big = apply(spec("u"), table)
    assert rows(big) == [(1, 1)]
    assert refusals(big) == [("type.integer", "u", 0)]


@pytest.mark.parametrize(
    ("expression", "kind", "code"),
    [
        ("f", "decimal(5,2)", "translation.inexact"),
        ("f * 2", "decimal(5,2)", "translation.inexact"),
        ("i", "date", "translation.type"),
        ("b", "integer", "translation.type"),
        ("ts", "timestamptz", "translation.type"),
        ("[1]", "text", "translation.type"),
        ("nosuch(i)", "", "translation.expression"),
        ("i + ", "", "expression.invalid"),
        ("random()", "", "translation.volatile"),
        ("i", "decimal(50,2)", "type.unknown"),
        ("missing", "", "translation.unknown_column"),
        ("s.nope", "", "translation.unknown_column"),
        ("t.part", "", "translation.unknown_column"),
    ],
)
def test_mistakes_of_the_map_are_found_when_it_is_compiled(expression, kind, code):
    schema = pa.schema(
        [("f", pa.float64()), ("i", pa.int64()), ("b", pa.bool_()), ("ts", pa.timestamp("us")), ("t", pa.string()),
         ("s", pa.struct([("x", pa.int64())]))]
    )  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        Translator(spec(field("out", expression, kind)), schema)
    assert caught.value.code == code
    assert "out" in caught.value.message or "part" in caught.value.message or "nope" in caught.value.message
    assert "t_0" not in caught.value.message
    assert caught.value.next_step


def test_text_that_is_computed_with_says_to_declare_its_type():
    with pytest.raises(ConfigError) as caught:
        Translator(spec(field("x", "a * 2")), pa.schema([("a", pa.string())]))
    assert "types:" in caught.value.next_step
    assert "Candidate" not in caught.value.message


@pytest.mark.parametrize("expression", ["count(*)", "unnest([1, 2])", "sum(CAST(a AS BIGINT))", "row_number()"])
def test_one_record_gives_one_output(expression):
    with pytest.raises(ConfigError):
        Translator(spec(field("x", expression)), pa.schema([("a", pa.string())]))


def test_half_a_character_is_no_text():
    result = apply(spec("t"), documents({"t": '"ok"'}, {"t": '"\\ud800"'}, {"t": '"\\ud83d\\ude00\\u0000"'}))
    assert rows(result) == [("ok", 0), ("😀\x00", 2)]
    assert refusals(result) == [("type.changed", "t", 1)]


def test_a_filter_must_be_a_condition():
    with pytest.raises(ConfigError) as caught:
        Translator(spec("a", filter="length(a)"), pa.schema([("a", pa.string())]))
    assert caught.value.code == "translation.not_boolean"


@pytest.mark.parametrize(
    ("expression", "kind", "values", "expected"),
    [
        ("round(f, 2)", "decimal(5,2)", [1.005, 2.5, 1e9, None], [D("1.00"), D("2.50"), "type.decimal", None]),
        ("round(f, 3)", "decimal(5,2)", [1.125, 2.5], ["type.decimal", D("2.50")]),
        ("CAST(f AS DECIMAL(5,1))", "decimal(5,2)", [2.25], [D("2.30")]),
        ("f", "integer", [3.0, 3.5, 1e300], [3, "type.integer", "type.integer"]),
        ("CAST(f AS BIGINT)", "decimal(3,1)", [12.0, 123.0], [D("12.0"), "type.decimal"]),
        ("CAST(f AS DECIMAL(9,3))", "integer", [3.0, 3.5], [3, "type.integer"]),
        ("CAST(f AS DECIMAL(9,3))", "decimal(4,1)", [3.5, 3.25, 1234.0], [D("3.5"), "type.decimal", "type.decimal"]),
        ("CAST(f AS BIGINT)", "boolean", [1.0, 0.0, 2.0], [True, False, "type.boolean"]),
        ("f > 1", "text", [2.0], ["true"]),
        ("CAST(f AS BIGINT)", "json", [2.0], ["2"]),
        ("CAST(9007199254740993 + f * 0 AS BIGINT)", "integer", [0.0], [9007199254740992]),
        ("9007199254740993", "double", [0.0], ["type.double"]),
    ],
)  # fmt: skip
def test_typed_values_are_never_rounded_silently(expression, kind, values, expected):
    for value, want in zip(values, expected, strict=True):
        result = apply(spec(field("out", expression, kind)), pa.table({"f": pa.array([value], pa.float64())}))
        got = result.rejects[0].code if result.rejects else rows(result)[0][0]
        assert got == want, (value, got)


def test_a_runaway_expression_is_stopped_by_name():
    table = pa.table({"n": ["1"] * 400_000})
    translator = Translator(spec(field("x", "list_sum(range(CAST(n AS BIGINT) * 2000))")), table.schema, timeout=0.2)
    with pytest.raises(FatalError) as caught:
        translator.apply(table)
    assert caught.value.code == "translation.timeout"


def test_the_memory_limit_is_named():
    table = pa.table({"n": ["1"] * 1000})
    translator = Translator(spec(field("x", "repeat(n, 10000000)")), table.schema, memory="64MB")
    with pytest.raises(FatalError) as caught:
        translator.apply(table)
    assert caught.value.code == "translation.memory"


@pytest.mark.parametrize(
    "expression",
    ["getenv('HOME')", "(SELECT 1 FROM '/etc/passwd')", "read_text('/etc/passwd')", "a; COPY (SELECT 1) TO '/tmp/x'",
     "(SELECT content FROM read_text('/etc/passwd'))", "a) FROM src; ATTACH '/tmp/x.db'; SELECT (1", "getvariable('x')) --"],
)  # fmt: skip
def test_an_expression_cannot_leave_its_record(expression):
    with pytest.raises(ConfigError):
        Translator(spec(field("x", expression)), pa.schema([("a", pa.string())]))


def test_a_comment_in_an_expression_hides_nothing():
    assert rows(
        apply(spec(field("x", "a -- the name"), field("y", "a || '!' /* loud */")), pa.table({"a": ["n"]}))
    ) == [("n", "n!", 0)]


def test_an_empty_batch():
    result = apply(spec(field("a", type="integer")), pa.table({"a": pa.array([], pa.string())}))
    assert (result.records_in, result.passed, result.outputs.num_rows) == (0, 0, 0)


def test_the_same_batch_gives_the_same_outputs():
    table = pa.table({"a": [str(number) for number in range(500)]})
    translator = Translator(spec(field("a", type="integer", check="a % 7 <> 0")), table.schema)
    one, two = translator.apply(table, 9), translator.apply(table, 9)
    assert one.outputs.equals(two.outputs)
    assert one.rejects == two.rejects


def test_source_timezone():
    what = spec(field("at", type="timestamptz"))
    result = apply(what, pa.table({"at": ["2024-01-31 10:00:00", "2024-03-31 02:30:00"]}), timezone="Europe/Paris")
    assert rows(result) == [(datetime(2024, 1, 31, 9, tzinfo=UTC), 0)]
    assert refusals(result) == [("type.timestamptz", "at", 1)]
    with pytest.raises(ConfigError, match="Mars"):
        Translator(what, pa.schema([("at", pa.string())]), timezone="Mars/Base")


def test_what_time_it_is_the_run_decides():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    years = field("years", "date_part('year', age(TIMESTAMP '2020-01-01'))")
    table = documents({"a": "1"})
    made = apply(spec(field("at", "now()"), field("day", "today()"), years), table, moment=moment)
    assert made.outputs.to_pylist() == [{"at": moment, "day": moment.date(), "years": 6, "_rid": 0}]
