"""``each:``: one output per element of a list, and what becomes of the whole record."""

from decimal import Decimal

import pyarrow as pa
import pytest

from dragoman.core.batch import LINE
from dragoman.core.errors import ConfigError
from dragoman.core.fieldtype import words_field
from dragoman.core.flow import FieldSpec, TranslationSpec
from dragoman.translation.engine import Translator
from dragoman.translation.kinds import kinds_of, observe

D = Decimal
FIELDS = (
    FieldSpec(name="number", expression="number"),
    FieldSpec(name="line", expression="line.n", type="integer", required=True),
    FieldSpec(name="amount", expression="line.price", type="decimal(8,2)"),
)


def spec(fields=FIELDS, **rest):
    rest = {"each_alias": "line", "each_expression": "lines"} | rest
    return TranslationSpec(node="translate", inputs=("source",), fields=fields, **rest)


def orders(*pairs):
    columns = {"number": [pair[0] for pair in pairs], "lines": [pair[1] for pair in pairs]}
    return pa.table(columns, schema=pa.schema([words_field("number", json=True), words_field("lines", json=True)]))


def apply(what, table, base=0):
    translator = Translator(what, table.schema)
    result = translator.apply(table, base)
    return [tuple(row.values()) for row in result.outputs.drop_columns([LINE]).to_pylist()], result


TABLE = orders(
    ("1", '[{"n": 1, "price": 12.50}, {"n": 2, "price": "3"}]'),
    ("2", "[]"),
    ("3", None),
    ("4", '[{"n": 1, "price": 1}, {"n": "x", "price": 1}, {"n": null, "price": 1}]'),
    ("5", '{"n": 1}'),
    ("6", '[{"n": 1}]'),
)


def test_a_document_is_whole_by_default():
    rows, result = apply(spec(), TABLE, 100)
    assert rows == [(1, 1, D("12.50"), 100), (1, 2, D("3.00"), 100), (6, 1, None, 105)]
    assert (result.records_in, result.passed, result.filtered) == (6, 2, {"empty": 2})
    assert [(one.code, one.rid) for one in result.rejects] == [("type.integer", 103), ("each.not_a_list", 104)]
    assert result.rejects[0].message.startswith("line 2 of lines: line is")


def test_not_atomic_each_bad_line_is_a_reject_of_its_own():
    rows, result = apply(spec(atomic=False), TABLE)
    assert [row[0] for row in rows] == [1, 1, 4, 6]
    assert result.passed == 3
    assert [(one.code, one.rid) for one in result.rejects] == [
        ("type.integer", 3),
        ("field.required", 3),
        ("each.not_a_list", 4),
    ]
    assert "line 3" in result.rejects[1].message


def test_a_record_all_of_whose_lines_are_bad_has_not_passed():
    rows, result = apply(spec(atomic=False), orders(("1", '[{"n": "x"}, {"n": "y"}]'), ("2", '[{"n": 1}]')))
    assert rows == [(2, 1, None, 1)]
    assert (result.passed, len(result.rejects)) == (1, 2)


def test_the_filter_judges_whole_records_before_their_lists_are_looked_at():
    rows, result = apply(spec(filter="number IN (1, 2)"), TABLE, 7)
    assert [row[0] for row in rows] == [1, 1]
    assert rows[0][-1] == 7
    assert result.filtered == {"filter": 4, "empty": 1}
    assert result.rejects == []


def test_after_a_filter_ids_still_name_the_right_records():
    rows, result = apply(spec(filter="number >= 4"), TABLE, 100)
    assert rows == [(6, 1, None, 105)]
    assert [one.rid for one in result.rejects] == [103, 104]


def test_scalar_elements_and_nested_lists():
    table = pa.table(
        {"o": ['{"tags": ["a", "b"]}', '{"tags": null}', '{"tags": ["c"]}']},
        schema=pa.schema([words_field("o", json=True)]),
    )
    fields = (FieldSpec(name="tag", expression="upper(tag)"),)
    rows, result = apply(spec(fields, each_alias="tag", each_expression="o.tags"), table)
    assert rows == [("A", 0), ("B", 0), ("C", 2)]
    assert result.filtered == {"empty": 1}


def test_native_lists():
    lines = pa.array([[{"n": 1, "price": D("1.10")}, {"n": 2, "price": None}], [], None, [{"n": None, "price": None}]])
    rows, result = apply(spec(), pa.table({"number": ["a", "b", "c", "d"], "lines": lines}))
    assert rows == [("a", 1, D("1.10"), 0), ("a", 2, None, 0)]
    assert result.filtered == {"empty": 2}
    assert [(one.code, one.rid) for one in result.rejects] == [("field.required", 3)]


def test_a_batch_without_any_line():
    rows, result = apply(spec(), orders(("1", "[]")))
    assert (rows, result.passed, result.filtered) == ([], 0, {"empty": 1})


@pytest.mark.parametrize(
    ("expression", "code"),
    [("upper(lines)", "each.path"), ("number", "each.not_a_list"), ("nope", "translation.unknown_column")],
)
def test_mistakes(expression, code):
    schema = pa.schema([("number", pa.int64()), words_field("lines", json=True)])
    with pytest.raises(ConfigError) as caught:
        Translator(spec(each_expression=expression), schema)
    assert caught.value.code == code


def test_kinds_are_observed_along_the_paths_that_a_map_uses():
    table = pa.table(
        {
            "c": ['{"id": 1, "x": "a"}', '{"id": 2.5}'],
            "lines": ['[{"n": 1}]', '[{"n": 2}, {"n": "z"}]'],
            "t": ["1", "2"],
        },
        schema=pa.schema([words_field("c", json=True), words_field("lines", json=True), words_field("t")]),
    )
    what = spec(
        (
            FieldSpec(name="a", expression="c.id * 2"),
            FieldSpec(name="n", expression="line.n"),
            FieldSpec(name="t", expression="t"),
        )
    )
    assert kinds_of(observe(table)) == {"c": "json", "lines": "json"}
    kinds = kinds_of(observe(table, [what]))
    assert kinds == {"c": "json", "lines": "json", "c.id": "double", "[].n": "json:integer"}
    translator = Translator(what, table.schema, kinds=kinds)
    assert [str(one.type) for one in translator.schema] == ["double", "string", "string"]
    assert translator.apply(table).passed == 2


def test_outputs_and_rejects_name_their_line():
    table = orders(("1", '[{"n": 1, "price": 1}, {"n": null, "price": 2}, {"n": 3, "price": 3}]'))
    result = Translator(spec(atomic=False), table.schema).apply(table)
    assert result.outputs.column(LINE).to_pylist() == [1, 3]
    assert [reject.line for reject in result.rejects] == [2]
    assert [reject.line for reject in Translator(spec(), table.schema).apply(table).rejects] == [0]
