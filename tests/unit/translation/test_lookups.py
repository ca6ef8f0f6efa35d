"""``lookups:``: another stream's records by exact keys."""

from decimal import Decimal

import pyarrow as pa
import pytest

from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.fieldtype import parse_type, words_field
from dragoman.core.flow import FieldSpec, LookupSpec, TranslationSpec
from dragoman.translation.engine import Translator

FIELDS = (FieldSpec(name="id", expression="id"), FieldSpec(name="name", expression="customer.name"))


def spec(fields=FIELDS, missing="reject", on=None, **rest):
    lookup = LookupSpec(name="customer", source="customers", on=on or {"id": "customer_id"}, missing=missing)
    return TranslationSpec(node="translate", inputs=("orders",), fields=fields, lookups=(lookup,), **rest)


def apply(what, table, customers, base=0):
    translator = Translator(what, table.schema, lookups={"customer": customers})
    result = translator.apply(table, base)
    return [tuple(row.values()) for row in result.outputs.to_pylist()], result


ORDERS = pa.table({"id": ["a", "b", "c", "d"], "customer_id": ["2", "9", None, "1"]})
CUSTOMERS = pa.table({"id": ["1", "2", "3"], "name": ["Ann", "Bob", "Cy"]})


def test_found_and_missing():
    rows, result = apply(spec(), ORDERS, CUSTOMERS, 10)
    assert rows == [("a", "Bob", 10), ("d", "Ann", 13)]
    assert [(one.code, one.field, one.rid) for one in result.rejects] == [
        ("lookup.missing", "customer", 11),
        ("lookup.missing", "customer", 12),
    ]
    assert "id = '9'" in result.rejects[0].message
    assert "customers" in result.rejects[0].message
    assert "NULL" in result.rejects[1].message


def test_missing_null_keeps_the_record():
    rows, result = apply(spec(missing="null"), ORDERS, CUSTOMERS)
    assert rows == [("a", "Bob", 0), ("b", None, 1), ("c", None, 2), ("d", "Ann", 3)]
    assert result.rejects == []


def test_keys_of_other_types_are_the_same_value():
    orders = pa.table({"id": ["a", "b", "c"], "customer_id": pa.array([1, 2, 3])})
    assert [row[1] for row in apply(spec(), orders, CUSTOMERS)[0]] == ["Ann", "Bob", "Cy"]
    decimals = pa.table({"id": pa.array([Decimal("1.00"), Decimal("2.50")]), "name": ["Ann", "Half"]})
    orders = pa.table(
        {"id": ["a", "b", "c"], "customer_id": ["1", "2.5", '"01"']},
        schema=pa.schema([words_field("id"), words_field("customer_id", json=True)]),
    )
    rows, result = apply(spec(missing="null", on={"id": "customer_id ->> '$'"}), orders, decimals)
    assert [row[1] for row in rows] == ["Ann", "Half", None]
    assert result.rejects == []


def test_declared_keys_are_compared_as_what_they_are():
    schema = pa.schema([words_field("id", declared=parse_type("integer")), words_field("name")])
    rows, _ = apply(spec(missing="null"), ORDERS, pa.table([["02", "1"], ["Bob", "Ann"]], schema=schema))
    assert [row[1] for row in rows] == ["Bob", None, None, "Ann"]


def test_json_lookups_with_paths():
    schema = pa.schema([words_field("id", json=True), words_field("doc", json=True)])
    customers = pa.table([["1", "2"], ['{"n": {"last": "A\\u00f6"}, "rate": 1.10}', '{"rate": "x"}']], schema=schema)
    fields = (
        FieldSpec(name="last", expression="upper(customer.doc.n.last)"),
        FieldSpec(name="rate", expression="customer.doc.rate", type="decimal(5,2)"),
    )
    rows, result = apply(spec(fields, missing="null"), ORDERS, customers)
    assert rows == [(None, None, 1), (None, None, 2), ("AÖ", Decimal("1.10"), 3)]
    assert [(one.code, one.field, one.rid) for one in result.rejects] == [("type.decimal", "rate", 0)]


def test_a_key_that_is_there_twice_is_refused_by_name():
    customers = pa.table({"id": ["1", "2", "2"], "name": ["Ann", "Bob", "Bea"]})
    with pytest.raises(FatalError, match="id = '2'") as caught:
        apply(spec(), ORDERS, customers)
    assert caught.value.code == "lookup.ambiguous"


def test_a_lookup_may_bear_the_name_of_a_field_that_its_key_stands_in():
    orders = pa.table(
        {"id": ["a"], "customer": ['{"id": 2, "name": "own"}']},
        schema=pa.schema([words_field("id"), words_field("customer", json=True)]),
    )
    rows, _ = apply(spec(on={"id": "customer.id"}, filter="customer.id > 1"), orders, CUSTOMERS)
    assert rows == [("a", "Bob", 0)]


def test_several_keys_and_expressions():
    customers = pa.table({"id": ["1", "1"], "land": ["AT", "DE"], "name": ["Ann", "Anna"]})
    orders = pa.table({"id": ["a", "b"], "customer_id": ["1", "1"], "c": ["at", "de"]})
    rows, _ = apply(spec(on={"id": "customer_id", "land": "upper(c)"}), orders, customers)
    assert [row[1] for row in rows] == ["Ann", "Anna"]


def test_a_key_that_cannot_be_computed_rejects():
    orders = pa.table({"id": ["a", "b"], "customer_id": ["1", "x"]})
    rows, result = apply(spec(on={"id": "CAST(customer_id AS BIGINT)"}), orders, CUSTOMERS)
    assert [row[1] for row in rows] == ["Ann"]
    assert [(one.code, one.field, one.rid) for one in result.rejects] == [("expression.failed", "customer", 1)]


def test_per_line_of_a_document():
    orders = pa.table(
        {"id": ["1", "2"], "lines": ['[{"c": 1}, {"c": 2}]', '[{"c": 1}, {"c": 8}]']},
        schema=pa.schema([words_field("id", json=True), words_field("lines", json=True)]),
    )
    what = spec(on={"id": "line.c"}, each_alias="line", each_expression="lines")
    rows, result = apply(what, orders, CUSTOMERS)
    assert rows == [(1, "Ann", 1, 0), (1, "Bob", 2, 0)]
    assert [one.message for one in result.rejects] == [
        "line 2 of lines: customers has no record with id = '8' (lookup customer)"
    ]


def test_an_empty_lookup_and_unknown_names():
    empty = pa.table({"id": pa.array([], pa.string()), "name": pa.array([], pa.string())})
    assert apply(spec(), ORDERS, empty)[1].passed == 0
    assert apply(spec(missing="null"), ORDERS, pa.table({}))[1].passed == 4
    with pytest.raises(ConfigError, match=r"did you mean customer\.name"):
        apply(spec((FieldSpec(name="n", expression="customer.nmae"),)), ORDERS, CUSTOMERS)
    with pytest.raises(ConfigError, match="lookup customer"):
        Translator(spec(), ORDERS.schema)


def test_the_order_of_records_is_kept():
    orders = pa.table({"id": [str(n) for n in range(5000)], "customer_id": [str(n * 7 % 1000) for n in range(5000)]})
    customers = pa.table({"id": [str(n) for n in range(1000)], "name": [f"c{n}" for n in range(1000)]})
    rows, _ = apply(spec(), orders, customers)
    assert rows == [(str(n), f"c{n * 7 % 1000}", n) for n in range(5000)]
