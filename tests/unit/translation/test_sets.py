"""Whole-set translations by SQL and Python, and their account."""

from decimal import Decimal

import pyarrow as pa
import pytest

from dragoman.core.errors import ConfigError, DragomanError, FatalError
from dragoman.core.fieldtype import parse_type, type_of, words_field
from dragoman.core.flow import TranslationSpec
from dragoman.translation.engine import SetInput, SetTranslator

D = Decimal
SCHEMA = pa.schema(
    [
        words_field("id", declared=parse_type("integer")),
        words_field("amount", declared=parse_type("decimal(8,2)")),
        words_field("region"),
    ]
)


def orders(*batches):
    tables = [(base, pa.table(columns, schema=SCHEMA)) for base, columns in batches]
    return SetInput("orders", SCHEMA, iter(tables))


def two_batches():
    return orders(
        (100, [["1", "2"], ["1.50", "2.50"], ["EU", "US"]]), (200, [["3", "4"], ["4.00", "bad"], ["EU", "EU"]])
    )


def sql(text, inputs=("orders",), **rest):
    return TranslationSpec(node="joined", inputs=inputs, sql="joined.sql", sql_text=text, **rest)


def python(text, inputs=("orders",), **rest):
    return TranslationSpec(node="made", inputs=inputs, python="translate.py", python_text=text, **rest)


def apply(spec, *inputs, **rest):
    result = SetTranslator(spec, **rest).apply({one.name: one for one in inputs or (two_batches(),)})
    assert result.outputs.schema.names[-1] == "_rid"
    return [tuple(row.values()) for row in result.outputs.to_pylist()], result


def test_sql_over_typed_columns_with_record_ids():
    rows, result = apply(sql("SELECT id + 1 AS next, amount, _rid FROM orders WHERE region = 'EU' ORDER BY id"))
    assert rows == [(2, D("1.50"), 100), (4, D("4.00"), 200)]
    assert (result.records_in, result.passed, result.filtered) == (4, 2, {"not_selected": 1})
    assert [(one.code, one.field, one.rid) for one in result.rejects] == [("type.decimal", "amount", 201)]


def test_only_columns_that_the_query_names_are_judged():
    _, result = apply(sql("SELECT id, _rid FROM orders"))
    assert (result.passed, result.rejects) == (4, [])
    _, result = apply(sql("SELECT * FROM orders"))
    assert len(result.rejects) == 1


def test_groups_carry_a_list_of_ids():
    rows, result = apply(
        sql("SELECT region, sum(amount) AS total, list(_rid) AS _rid FROM orders GROUP BY region ORDER BY ALL")
    )
    assert rows == [("EU", D("5.50"), 100), ("US", D("2.50"), 101)]
    assert (result.passed, result.filtered) == (3, {})
    assert str(type_of(result.outputs.schema.field("total"))) == "decimal(38,2)"


def test_whole_set_counts_all_as_passed():
    rows, result = apply(sql("SELECT count(*) AS n, sum(id) AS ids FROM orders", whole_set=True))
    assert rows == [(4, 10, 0)]
    assert (result.passed, result.filtered) == (4, {})


def test_without_ids_the_query_is_refused():
    with pytest.raises(ConfigError, match="_rid") as caught:
        apply(sql("SELECT id FROM orders"))
    assert caught.value.code == "translation.no_rid"


def test_an_invented_id_is_refused():
    with pytest.raises(FatalError) as caught:
        apply(sql("SELECT id, _rid + 5 AS _rid FROM orders"))
    assert caught.value.code == "translation.unknown_rid"


def test_a_join_of_two_inputs_names_records_of_both():
    schema = pa.schema([words_field("id", json=True), words_field("name", json=True)])
    customers = SetInput(
        "crm.customers", schema, iter([(900, pa.table([["1", "2"], ['"Ann"', '"Bob"']], schema=schema))])
    )
    text = "SELECT o.id, c.name, [o._rid, c._rid] AS _rid FROM orders o JOIN crm.customers c USING (id) ORDER BY o.id"
    rows, result = apply(sql(text, ("orders", "crm.customers")), two_batches(), customers)
    assert rows == [(1, "Ann", 100), (2, "Bob", 101)]
    assert (result.records_in, result.passed, result.filtered) == (6, 4, {"not_selected": 2})


def test_batches_that_carry_ids_keep_them():
    schema = pa.schema([("n", pa.int64())])
    table = pa.table({"n": [1, 2], "_rid": [7, 9]})
    rows, _ = apply(sql("SELECT n, _rid FROM made", ("made",)), SetInput("made", schema, iter([(0, table)])))
    assert rows == [(1, 7), (2, 9)]


def test_json_columns_are_json_in_the_query():
    schema = pa.schema([words_field("doc", json=True)])
    one = SetInput("docs", schema, iter([(0, pa.table([['{"a": [1, 2]}', "{}"]], schema=schema))]))
    rows, result = apply(sql("SELECT doc->'a' AS a, doc, _rid FROM docs", ("docs",)), one)
    assert rows == [("[1,2]", '{"a": [1, 2]}', 0), (None, "{}", 1)]
    assert str(type_of(result.outputs.schema.field("a"))) == "json"


def test_an_empty_input():
    rows, result = apply(sql("SELECT id, _rid FROM orders"), SetInput("orders", SCHEMA, iter([])))
    assert (rows, result.records_in, result.passed) == ([], 0, 0)


def test_checks_of_outputs():
    _, result = apply(sql("SELECT id, _rid FROM orders", checks={"small": "id < 3"}))
    assert (result.passed, result.outputs.num_rows) == (2, 2)
    assert [(one.code, one.rid) for one in result.rejects] == [("check.small", 200), ("check.small", 201)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; SELECT 2",
        "DROP TABLE orders",
        "COPY orders TO '/tmp/x.csv'",
        "ATTACH '/tmp/x.db'",
        "INSTALL httpfs",
        "PRAGMA version; SELECT 1",
        "SET memory_limit = '10GB'",
        "INSERT INTO orders SELECT * FROM orders",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT content FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT getenv('HOME') AS h, _rid FROM orders",
        "SELECT *, (SELECT count(*) FROM glob('/etc/*')) AS n FROM orders",
        "SELECT * FROM other",
        "SELECT nope FROM orders",
        "SELEC",
        "",
    ],
)
def test_what_is_no_query_over_the_inputs_is_refused(text):
    with pytest.raises(DragomanError) as caught:
        apply(sql(text))
    assert caught.value.code == "translation.sql"
    assert "joined.sql" in caught.value.message


def test_a_query_that_fails_on_a_row_names_the_file():
    with pytest.raises(FatalError, match=r"joined\.sql.*zero"):
        apply(sql("SELECT 10 // (id - 2) AS q, _rid FROM orders"))


def test_a_sum_beyond_64_bit_is_no_silent_change():
    with pytest.raises(FatalError, match="big"):
        apply(sql("SELECT id * 9223372036854775807::HUGEINT AS big, _rid FROM orders"))


def test_a_runaway_query_is_stopped_by_name():
    with pytest.raises(FatalError) as caught:
        apply(sql("SELECT count(*) AS n FROM range(100000) a, range(10000000) b", whole_set=True), timeout=0.2)
    assert caught.value.code == "translation.timeout"


def test_more_than_the_memory_limit_spills_or_says_so():
    text = "SELECT count(*) AS n FROM (SELECT DISTINCT range, repeat('x', 20) FROM range(400000))"
    assert apply(sql(text, whole_set=True), memory="64MB")[0] == [(400_000, 0)]


ARROW = """
def translate(table):
    return table.filter(__import__("pyarrow.compute").compute.equal(table["region"], "EU"))
"""
FRAME = """
import pandas as pd

def translate(frame: pd.DataFrame) -> pd.DataFrame:
    frame["twice"] = frame["id"] * 2
    return frame[["twice", "_rid"]]
"""


def test_python_over_arrow():
    rows, result = apply(python(ARROW))
    assert rows == [(1, D("1.50"), "EU", 100), (3, D("4.00"), "EU", 200)]
    assert (result.passed, result.filtered, len(result.rejects)) == (2, {"not_selected": 1}, 1)


def test_python_over_pandas():
    assert apply(python(FRAME))[0] == [(2, 100), (4, 101), (6, 200)]


def test_python_with_two_inputs():
    text = "def translate(orders, more):\n    return orders.slice(0, more.num_rows)\n"
    more = SetInput("more", SCHEMA, iter([(900, pa.table([["1"], ["1"], ["X"]], schema=SCHEMA))]))
    rows, result = apply(python(text, ("orders", "more")), two_batches(), more)
    assert rows == [(1, D("1.50"), "EU", 100)]
    assert result.filtered == {"not_selected": 3}


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("def translate(table):\n    return 1 / 0\n", FatalError, r"translate\.py:2: ZeroDivisionError"),
        ("def translate(table:\n", ConfigError, r"translate\.py:1"),
        ("x = 1\n", ConfigError, "no function translate"),
        ("raise ValueError('no')\n", FatalError, r"translate\.py:1: ValueError"),
        ("def translate(table):\n    return [1]\n", FatalError, "gave back list"),
        ("def translate(table):\n    return table.drop_columns(['_rid'])\n", ConfigError, "_rid"),
    ],
)
def test_python_that_goes_wrong_names_file_and_line(text, kind, said):
    with pytest.raises(kind, match=said):
        apply(python(text))


def test_a_deployment_can_turn_python_off(monkeypatch):
    monkeypatch.setenv("DRAGOMAN_PYTHON_TRANSLATIONS", "off")
    with pytest.raises(ConfigError) as caught:
        apply(python(ARROW))
    assert caught.value.code == "translation.python_off"
