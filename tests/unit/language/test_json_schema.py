"""The JSON Schema says of files what the check says, as far as a schema can."""

import jsonschema
import pytest

from dragoman.language.json_schema import json_schema
from dragoman.language.reader import read_yaml
from dragoman.language.reference import GRAPH_EXAMPLE, SHORT_EXAMPLE

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def faults(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(read_yaml(text.encode(), "x").value)]


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", [SHORT_EXAMPLE, GRAPH_EXAMPLE], ids=["short", "graph"])
def test_the_examples_of_the_page_are_good(text, problems_of):
    assert problems_of(text) == []
    assert faults(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title:", "titel:"),
        ("connector: files", "connector: fils"),
        ("path: ", "pfad: "),
        ("connector: postgres, connection: erp, ", "connector: postgres, "),
        ("table: sales.order_lines", "table: 'x; drop table y'"),
        ("table: sales.order_lines, ", ""),
        ("type: integer", "type: int"),
        ("integration: supplier_orders", "integration: a/b"),
        ("deadline: 30m", "deadline: soon"),
        ("required: true", "required: 'true'"),
    ],
)
def test_mistakes_are_marked(old, new):
    assert old in SHORT_EXAMPLE
    assert faults(SHORT_EXAMPLE.replace(old, new, 1))


def test_every_connector_and_its_options_are_in_it():
    cases = {
        case["if"]["properties"]["connector"]["const"]: case["then"] for case in SCHEMA["$defs"]["Delivery"]["allOf"]
    }
    assert {"files", "postgres", "sqlite", "duckdb"} <= set(cases)
    assert cases["postgres"]["properties"]["table"]["examples"] == ["public.orders"]
    assert cases["postgres"]["properties"]["mode"] == {"enum": ["append", "upsert", "replace", "delete"]}
