"""Every mistake of a file is told in one go, each once, in the order of the lines."""

FILE = """\
integration: a/b
titel: Orders
schedule: "0 25 * * *"
sources:
  orders: {connector: postgre, connection: shop, table: t}
  files: {connector: files, conection: inbox, path: /etc/passwd, format: cvs}
translations:
  lines:
    from: order
    fields:
      id: {from: id, typ: integer}
      amount: {from: "round(amount, 2", type: decimal}
      note: __import__('os')
deliveries:
  out: {from: lines, connector: postgres, connection: dwh, mode: upset, key: [order_id]}
policy: {retries: many}
alerts: [{on: [faild], notifier: email}]
template: base
"""

EXPECTED = [
    ("integration.id", 1),
    ("key.unknown", 2),
    ("schedule.cron", 3),
    ("connector.unknown", 5),
    ("option.unknown", 6),
    ("option.path", 6),
    ("format.unknown", 6),
    ("from.unknown", 9),
    ("key.unknown", 11),
    ("expression.syntax", 12),
    ("type.unknown", 12),
    ("expression.function", 13),
    ("option.missing", 15),
    ("mode.unknown", 15),
    ("key.no_field", 15),
    ("key.type", 16),
    ("key.value", 17),
    ("language.not_yet", 18),
]


def test_all_mistakes_at_once(problems_of):
    problems = problems_of(FILE)
    assert [(problem.code, problem.line) for problem in problems] == EXPECTED, "\n".join(map(str, problems))


def test_a_problem_says_file_line_column_found_expected_nearest(problems_of):
    told = {problem.code: str(problem) for problem in problems_of(FILE)}
    assert told["connector.unknown"] == (
        "job.yaml:5:23: unknown connector 'postgre'; expected one of duckdb, files, http, postgres, sqlite; "
        "did you mean 'postgres'? [connector.unknown]"
    )


def test_duplicate_keys_hide_nothing_else(problems_of):
    text = "integration: x\nintegration: y\nsource: {connector: fles, connection: i, path: a.csv}\ndeliver: {connector: sqlite, connection: o}\n"
    assert [(p.code, p.line) for p in problems_of(text)] == [
        ("yaml.duplicate_key", 2),
        ("connector.unknown", 3),
        ("option.missing", 4),
    ]
