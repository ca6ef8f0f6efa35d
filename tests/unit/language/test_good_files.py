"""Good files in both forms compile to the flow that they say."""

import hashlib

import msgspec
import pytest

from dragoman.core.flow import CursorSpec, FieldSpec, Flow, FormatSpec, LookupSpec, StreamSpec, TranslationSpec

SHORT = """\
dragoman: 1
integration: supplier_orders
title: Supplier orders
owner: supply-chain
schedule: {cron: "*/15 * * * *", timezone: Europe/Paris}

source: {connector: files, connection: inbox, path: "orders/*.txt", format: {type: csv, delimiter: ";"}, settle: 30s, timezone: Europe/Paris, types: {quantity: "decimal(12,3)"}}

translate:
  filter: status <> 'draft'
  each: {line: lines, atomic: false}
  fields:
    order_number: {from: number, required: true}
    sku: upper(trim(line.ean))
    on: {from: day, type: date, format: "%d.%m.%Y"}
    paid: {from: paid, type: boolean, true: [J, ja], false: [N], default: false}
    amount: {from: "round(line.quantity * line.price, 2)", type: "decimal(18, 2)", check: amount > 0}
  checks: {cheap: "amount < 1000"}

deliver: {connector: postgres, connection: erp, table: sales.order_lines, key: [order_number, sku], delivery_schema: audit}
policy: {on_reject: fail, max_rejects: {rate: 2%, count: 1000}, deadline: 30m, tasks: single, retention: {stage: 30d}}
alerts: [{on: [failed, held], notifier: email, connection: ops_mail, to: ops@example.com}]
access: {supply-chain: [read, run]}
"""

GRAPH = """\
integration: shop
schedule: {after: [customers]}
sources:
  orders: {connector: http, connection: shop, path: /orders, records: data, cursor: {column: updated_at, id: id, overlap: 15m, param: since}}
  customers: {connector: postgres, connection: crm, table: public.customers}
translations:
  lines: {from: orders, lookups: {customer: {from: customers, on: {id: customer_id}, missing: null}}, fields: {id: id, region: customer.region}}
deliveries:
  eu: {from: lines, when: region = 'EU', connector: postgres, connection: dwh, table: public.orders, mode: upsert, key: id}
  rest: {from: lines, when: else, connector: files, connection: archive, path: "orders/{run}.ndjson"}
  raw: {from: orders, connector: duckdb, connection: lake, table: orders}
"""

STREAMS = """\
integration: crm
source:
  connector: postgres
  connection: crm
  cursor: changed_at
  streams:
    accounts: {table: public.account}
    contacts: {table: public.contact, cursor: {column: modified, overlap: 1d}, types: {phone: text}}
translate: {filter: id is not null}
deliver: {connector: sqlite, connection: out, table: "crm_{stream}"}
"""


def flow_of(compiled, text: str) -> Flow:
    done = compiled(text)
    assert [str(problem) for problem in done.problems] == []
    return done.flow


def test_the_short_form(compiled):
    flow = flow_of(compiled, SHORT)
    assert (flow.integration, flow.title, flow.owner) == ("supplier_orders", "Supplier orders", "supply-chain")
    assert (flow.cron, flow.timezone, flow.after) == ("*/15 * * * *", "Europe/Paris", ())
    assert flow.text == SHORT
    assert flow.digest == hashlib.sha256(SHORT.encode()).hexdigest()
    (stream,) = flow.streams
    assert stream == StreamSpec(
        node="source",
        options={"path": "orders/*.txt", "settle": 30.0, "reread": "never"},
        format=FormatSpec(type="csv", options={"delimiter": ";"}),
        types={"quantity": "decimal(12,3)"},
        timezone="Europe/Paris",
    )
    (translation,) = flow.translations
    assert (translation.node, translation.inputs, translation.filter) == ("translate", ("source",), "status <> 'draft'")
    assert (translation.each_alias, translation.each_expression, translation.atomic) == ("line", "lines", False)
    assert translation.checks == {"cheap": "amount < 1000"}
    assert translation.fields == (
        FieldSpec(name="order_number", expression="number", required=True, line=13),
        FieldSpec(name="sku", expression="upper(trim(line.ean))", line=14),
        FieldSpec(name="on", expression="day", type="date", format="%d.%m.%Y", line=15),
        FieldSpec(name="paid", expression="paid", type="boolean", true=("J", "ja"), false=("N",), default=False, has_default=True, line=16),
        FieldSpec(name="amount", expression="round(line.quantity * line.price, 2)", type="decimal(18,2)", check="amount > 0", line=17),
    )  # fmt: skip
    (delivery,) = flow.deliveries
    assert (delivery.node, delivery.input, delivery.mode, delivery.key) == (
        "deliver",
        "translate",
        "upsert",
        ("order_number", "sku"),
    )
    assert delivery.options["table"] == "sales.order_lines"
    assert delivery.options["delivery_schema"] == "audit"
    assert delivery.options["lock_timeout"] == 60.0
    policy = flow.policy
    assert (policy.on_reject, policy.max_rate, policy.max_count, policy.deadline) == ("fail", 0.02, 1000, 1800.0)
    assert (policy.tasks, policy.retention, policy.retries) == ("single", {"stage": 30 * 86_400.0}, 3)
    assert flow.alerts == (
        {"on": ["failed", "held"], "notifier": "email", "connection": "ops_mail", "to": ["ops@example.com"]},
    )
    assert flow.access == {"supply-chain": ["read", "run"]}


def test_the_graph_form(compiled):
    flow = flow_of(compiled, GRAPH)
    assert flow.after == ("customers",)
    orders, customers = flow.streams
    assert orders.cursor == CursorSpec(column="updated_at", id="id", overlap=900.0, param="since")
    assert (orders.lookup_only, customers.lookup_only) == (False, True)
    lines, identity = flow.translations
    assert lines.lookups == (LookupSpec(name="customer", source="customers", on={"id": "customer_id"}, missing="null"),)
    assert identity == TranslationSpec(node=">orders", inputs=("orders",))
    eu, rest, raw = flow.deliveries
    assert (eu.node, eu.input, eu.when, eu.otherwise, eu.mode, eu.key) == (
        "eu",
        "lines",
        "region = 'EU'",
        False,
        "upsert",
        ("id",),
    )
    assert (rest.when, rest.otherwise, rest.mode, rest.format) == ("", True, "append", FormatSpec(type="ndjson"))
    assert (raw.input, raw.mode) == (">orders", "append")


def test_streams_are_expanded(compiled):
    flow = flow_of(compiled, STREAMS)
    accounts, contacts = flow.streams
    assert (accounts.node, accounts.name, accounts.options) == (
        "source.accounts",
        "accounts",
        {"table": "public.account"},
    )
    assert accounts.cursor == CursorSpec(column="changed_at")
    assert contacts.cursor == CursorSpec(column="modified", overlap=86_400.0)
    assert contacts.types == {"phone": "text"}
    assert [(each.node, each.inputs) for each in flow.translations] == [
        ("translate.accounts", ("source.accounts",)),
        ("translate.contacts", ("source.contacts",)),
    ]
    assert [(each.node, each.input, each.options["table"]) for each in flow.deliveries] == [
        ("deliver.accounts", "translate.accounts", "crm_accounts"),
        ("deliver.contacts", "translate.contacts", "crm_contacts"),
    ]


def test_one_stream_of_several_by_its_name(compiled):
    text = """
integration: crm
sources:
  crm: {connector: postgres, connection: crm, streams: {accounts: {table: account}, contacts: {table: contact}}}
deliveries:
  a: {from: crm.accounts, connector: postgres, connection: dwh, table: "t_{stream}"}
  c: {from: crm.contacts, connector: postgres, connection: dwh, table: c}
"""
    flow = flow_of(compiled, text)
    assert [(each.node, each.input, each.options["table"]) for each in flow.deliveries] == [
        ("a", ">crm.accounts", "t_accounts"),
        ("c", ">crm.contacts", "c"),
    ]


def test_streams_that_replace_each_other_are_refused(problems_of):
    (problem,) = problems_of(STREAMS.replace('"crm_{stream}"', "crm, mode: replace"))
    assert (problem.code, problem.line) == ("delivery.one_target", 10)


def test_a_field_without_from_is_the_field_of_its_name(compiled):
    text = SHORT.replace("    on: {from: day,", "    order: {required: true}\n    two words: {}\n    on: {from: day,")
    fields = {field.name: field for field in flow_of(compiled, text).translations[0].fields}
    assert (fields["order"].expression, fields["two words"].expression) == ('"order"', '"two words"')


def test_without_a_translation_all_passes(compiled):
    flow = flow_of(
        compiled,
        "integration: x\nsource: {connector: files, connection: i, path: a.csv}\ndeliver: {connector: sqlite, connection: o, table: t}\n",
    )
    assert flow.translations == (TranslationSpec(node="translate", inputs=("source",)),)
    assert flow.deliveries[0].mode == "append"
    assert flow.cron == "" and flow.timezone == "UTC"


def test_named_files_are_part_of_the_flow(compiled, tmp_path):
    (tmp_path / "joined").mkdir()
    (tmp_path / "joined/join.sql").write_text("SELECT a._rid, a.id, b.name FROM a JOIN b USING (id)")
    text = """
integration: joined
sources:
  a: {connector: postgres, connection: c, table: a}
  b: {connector: postgres, connection: c, table: b}
translations:
  j: {from: [a, b], sql: join.sql}
deliveries:
  out: {from: j, connector: sqlite, connection: o, table: t}
"""
    flow = flow_of(compiled, text)
    (translation,) = flow.translations
    assert (translation.inputs, translation.sql, translation.is_set) == (("a", "b"), "join.sql", True)
    assert translation.sql_text.startswith("SELECT a._rid")
    (tmp_path / "joined/join.sql").write_text("SELECT a._rid, a.id FROM a JOIN b USING (id)")
    assert flow_of(compiled, text).digest != flow.digest


@pytest.mark.parametrize(
    ("name", "content", "code", "line"),
    [
        ("t.sql", "SELECT *\nFROM a WHERE\n", "sql.syntax", 2),
        ("t.sql", "DELETE FROM a", "sql.syntax", 1),
        ("t.sql", "SELECT 1; SELECT 2", "sql.syntax", 1),
        ("t.py", "def translate(table:\n    return table\n", "python.syntax", 1),
        ("t.py", "def other(table):\n    return table\n", "python.no_function", 1),
    ],
)
def test_a_broken_named_file(problems_of, tmp_path, name, content, code, line):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / name).write_text(content)
    way = "sql" if name.endswith("sql") else "python"
    (problem,) = problems_of(
        f"integration: x\nsource: {{connector: files, connection: i, path: a.csv}}\ntranslate: {{{way}: {name}}}\ndeliver: {{connector: sqlite, connection: o, table: t}}\n"
    )
    assert (problem.file, problem.code, problem.line) == (f"x/{name}", code, line)


def test_a_link_out_of_the_folder_is_refused(problems_of, tmp_path):
    (tmp_path / "secret.sql").write_text("SELECT 1")
    (tmp_path / "x").mkdir()
    (tmp_path / "x/t.sql").symlink_to(tmp_path / "secret.sql")
    (problem,) = problems_of(
        "integration: x\nsource: {connector: files, connection: i, path: a.csv}\ntranslate: {sql: t.sql}\ndeliver: {connector: sqlite, connection: o, table: t}\n"
    )
    assert (problem.code, problem.line) == ("file.outside", 3)


def test_yaml_is_read_by_the_rules_of_1_2(compiled):
    text = SHORT.replace("integration: supplier_orders", "integration: no").replace(
        "title: Supplier orders", "title: 12:30"
    )
    flow = flow_of(compiled, text)
    assert (flow.integration, flow.title) == ("no", "12:30")


def test_anchors_and_merges_are_welcome(compiled):
    text = """
integration: x
sources:
  a: &crm {connector: postgres, connection: crm, table: a}
  b: {<<: *crm, table: b}
deliveries:
  a_out: {from: a, connector: sqlite, connection: o, table: a}
  b_out: {from: b, connector: sqlite, connection: o, table: b}
"""
    assert [each.streams[0].options["table"] for each in flow_of(compiled, text).sources] == ["a", "b"]


@pytest.mark.parametrize("text", [SHORT, GRAPH, STREAMS])
def test_a_flow_survives_json(compiled, text):
    flow = flow_of(compiled, text)
    assert msgspec.json.decode(msgspec.json.encode(flow), type=Flow) == flow
