"""``deletes:`` is held against all that lies behind its source, before anything runs."""

from __future__ import annotations

import pytest

HEAD = "integration: job\n"
DELIVER = "deliver: {connector: sqlite, connection: d, table: t, mode: upsert, key: id}\n"


def source(deletes="compare", more="", connector="postgres", where="table: t"):
    return f"source: {{connector: {connector}, connection: c, {where}, deletes: {deletes}{more}}}\n"


COLUMN = "{column: is_deleted}"
FIELDS = "translate: {fields: {id: %s, name: name}}\n"
CASES = [
    ("no way", HEAD + source("{most: 10%}") + DELIVER, "deletes.shape", "neither column nor compare"),
    ("two ways", HEAD + source("{column: x, compare: true}") + DELIVER, "deletes.shape", "column beside compare"),
    ("files cannot give keys", HEAD + source(connector="files", where="path: a.csv") + DELIVER, "deletes.not_here", "'files'"),
    (
        "an API reads by its cursor what is new",
        HEAD + source(connector="http", where="path: /a", more=", cursor: {column: at, param: since}") + DELIVER,
        "deletes.cursor",
        "beside a cursor",
    ),
    ("no key", HEAD + source() + "deliver: {connector: sqlite, connection: d, table: t}\n", "deletes.no_key", "no key"),
    (
        "files cannot be erased from",
        HEAD + source() + "deliver: {connector: files, connection: d, path: a.csv, key: id}\n",
        "deletes.cannot_erase",
        "'files'",
    ),
    (
        "replace",
        HEAD + source() + "deliver: {connector: sqlite, connection: d, table: t, mode: replace, key: id}\n",
        "deletes.mode",
        "mode replace",
    ),
    (
        "lines of a record",
        HEAD + source(COLUMN) + "translate: {each: {line: lines}, fields: {id: line.id}}\n" + DELIVER,
        "deletes.each",
        "several outputs",
    ),
    ("a computed key", HEAD + source() + FIELDS % "\"'DE-' || id\"" + DELIVER, "deletes.key_expression", "'DE-' || id"),
    ("a part of a document", HEAD + source() + FIELDS % "person.id" + DELIVER, "deletes.key_expression", "person.id"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "fragment"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_cannot_be_is_told(problems_of, text, code, fragment):
    (problem,) = problems_of(text)
    assert problem.code == code
    assert problem.line == 2
    assert fragment in problem.found


GRAPH = """
integration: job
sources:
  a: {connector: postgres, connection: c, table: t, deletes: {column: gone}}
  b: {connector: postgres, connection: c, table: u}
translations:
  x: {from: a, lookups: {b: {from: b, on: {id: b_id}}}, fields: {id: b.id}}
  y: {from: [a, b], python: join.py}
deliveries:
  o: {from: x, connector: sqlite, connection: d, table: t, mode: upsert, key: id}
  p: {from: y, connector: sqlite, connection: d, table: u, mode: upsert, key: id}
"""


def test_keys_that_are_looked_up_and_whole_sets_are_told(problems_of, tmp_path):
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "join.py").write_text("def translate(table):\n    return table\n")
    codes = {problem.code for problem in problems_of(GRAPH)}
    assert {"deletes.lookup_key", "deletes.whole_set"} <= codes


@pytest.mark.parametrize(
    ("deletes", "translate", "keys"),
    [
        ("compare", "", ("id",)),
        ("compare", "translate: {fields: {id: {from: number, type: integer}, name: name}}\n", ("number",)),
        (COLUMN, "", ("id",)),
        (COLUMN, FIELDS % "upper(code)", ()),
    ],
)
def test_the_columns_of_the_source_of_which_the_keys_are_made(compiled, deletes, translate, keys):
    (stream,) = compiled(HEAD + source(deletes) + translate + DELIVER).flow.streams
    assert stream.deletes.keys == keys
