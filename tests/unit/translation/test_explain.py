"""The SELECT as people read it."""

from dragoman.core.flow import FieldSpec, LookupSpec, TranslationSpec
from dragoman.translation.explain import explain_sql


def test_a_field_map():
    spec = TranslationSpec(
        node="translate",
        inputs=("source",),
        filter="status <> 'draft'",
        each_alias="line",
        each_expression="lines",
        lookups=(LookupSpec(name="customer", source="customers", on={"id": "customer_id"}),),
        fields=(
            FieldSpec(name="number", expression="number", required=True),
            FieldSpec(name="day", expression="ordered", type="date", format="%d.%m.%Y"),
            FieldSpec(name="amount", expression="line.price", type="decimal(8,2)", default=0, has_default=True),
        ),
        checks={"positive": "amount >= 0"},
    )
    assert explain_sql(spec).splitlines() == [
        "SELECT",
        "  number,",
        "  exact(ordered AS date FORMAT '%d.%m.%Y') AS day,",
        "  coalesce(exact(line.price AS decimal(8,2)), 0) AS amount",
        "FROM source",
        "CROSS JOIN unnest(lines) AS line",
        "LEFT JOIN customers AS customer ON customer.id = customer_id  -- missing: reject",
        "WHERE status <> 'draft'",
        "-- required: number",
        "-- check positive: amount >= 0",
        "-- one bad line rejects its record",
    ]


def test_the_identity_a_query_and_python():
    assert explain_sql(TranslationSpec(node="t", inputs=("crm.accounts",))) == "SELECT\n  *\nFROM crm.accounts"
    assert explain_sql(TranslationSpec(node="t", inputs=("a",), sql="a.sql", sql_text="SELECT 1\n")) == "SELECT 1"
    assert "translate.py" in explain_sql(
        TranslationSpec(node="t", inputs=("a",), python="translate.py", python_text="x")
    )
