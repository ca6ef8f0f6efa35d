"""Wrong files: each is refused with its exact code and line, and with no problem beside."""

import pytest

SOURCE = "source: {connector: files, connection: inbox, path: orders.csv}\n"
DELIVER = "deliver: {connector: postgres, connection: erp, table: public.orders}\n"
HEAD = "integration: job\n"
SHORT = HEAD + SOURCE + DELIVER


def short(source: str = SOURCE, deliver: str = DELIVER, more: str = "") -> str:
    """Line 1 is the id, line 2 the source, line 3 the delivery; ``more`` begins at line 4."""
    return HEAD + source.rstrip("\n") + "\n" + deliver.rstrip("\n") + "\n" + more


def graph(
    translations: str = "", deliveries: str = "  out: {from: a, connector: postgres, connection: c, table: t}"
) -> str:
    """Lines 1 to 4: id, sources a and b; ``translations`` begins at line 5."""
    return (
        "integration: job\nsources:\n"
        "  a: {connector: postgres, connection: c, table: t}\n"
        "  b: {connector: postgres, connection: c, table: u}\n"
        f"{translations}deliveries:\n{deliveries}\n"
    )


def source(body: str) -> str:
    return short(source="source: {" + body + "}")


def deliver(body: str) -> str:
    return short(deliver="deliver: {" + body + "}")


def fields(body: str) -> str:
    """The field's body stands in line 6."""
    return short(more="translate:\n  fields:\n    x: " + body + "\n")


BOMB = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)

# id, text, code, line, a fragment of the message
CASES = [
    # the file as such
    ("empty", "", "yaml.empty", 1, "an empty file"),
    ("only a comment", "# nothing\n", "yaml.empty", 1, "an empty file"),
    ("list at the top", "- a\n- b\n", "document.not_a_map", 1, "a list at the top"),
    ("text at the top", "hello\n", "document.not_a_map", 1, "'hello' at the top"),
    ("not UTF-8", b"integration: job\ntitle: caf\xe9\n", "yaml.encoding", 2, "0xe9 is not UTF-8"),
    ("UTF-16", "integration: job\n".encode("utf-16"), "yaml.encoding", 1, "not UTF-8"),
    ("NUL", b"integration: job\ntitle: a\x00b\n", "yaml.control_character", 2, "NUL"),
    ("tab", "integration: job\nsource:\n\tconnector: files\n", "yaml.tab", 3, "a tab in the indentation"),
    ("unclosed quote", "integration: job\ntitle: 'abc\n", "yaml.syntax", 3, "quoted scalar"),
    ("colon in text", "integration: job\ntitle: a: b\n", "yaml.syntax", 2, "expected text that holds ': ' in quotes"),
    ("sign in front", "integration: job\ntitle: @daily\n", "yaml.syntax", 2, "in quotes"),
    ("two documents", SHORT + "---\n" + SHORT, "yaml.documents", 4, "a second document"),
    ("unknown alias", HEAD + "title: *x\n", "yaml.alias", 2, "undefined alias"),
    ("too large", HEAD + "title: " + "x" * 1_000_001, "yaml.too_large", 1, "at most 1,000,000 bytes"),
    ("too deep", HEAD + "title: " + "[" * 60 + "]" * 60 + "\n", "yaml.too_deep", 2, "nesting"),
    ("far too deep", HEAD + "title: " + "[" * 100_000, "yaml.too_deep", 2, "nesting"),
    ("alias to itself", HEAD + "title: &t [*t]\n", "yaml.too_deep", 2, "no alias to itself"),
    # the bad inputs 49 to 60 and 62
    ("49 python tag", short(more="title: !!python/object/apply:os.system [ls]\n"), "yaml.tag", 4, "os.system"),
    ("49 own tag", short(more="title: !secret x\n"), "yaml.tag", 4, "the tag !secret"),
    ("50 alias bomb", BOMB, "yaml.alias_bomb", 6, "aliases that grow without measure"),
    ("51 duplicate key", short(more="title: a\ntitle: b\n"), "yaml.duplicate_key", 5, "'title' again"),
    ("51 duplicate key within", source("connector: files, connection: a, connection: b, path: x.csv"), "yaml.duplicate_key", 2, "'connection' again"),
    ("52 unknown key", short(more="titel: a\n"), "key.unknown", 4, "did you mean 'title'?"),
    ("53 Norway as a table", deliver("connector: postgres, connection: erp, table: 123"), "option.type", 3, "quote it"),
    ("53 0123 as an id", "integration: 0123\n" + SOURCE + DELIVER, "key.not_text", 1, "text (quote it)"),
    ("53 1e3 as a title", short(more="title: 1e3\n"), "key.not_text", 4, "1000.0 where text is due"),
    ("53 boolean as a key column", deliver("connector: postgres, connection: erp, table: t, key: [true]"), "key.not_text", 3, "quote it"),
    ("54 table with a statement", deliver('connector: postgres, connection: erp, table: "x; drop table y"'), "option.identifier", 3, "no safe identifier"),
    ("54 column with a statement", source('connector: postgres, connection: c, table: t, columns: [id, "x; drop table y"]'), "option.identifier", 2, "no safe identifier"),
    ("54 quoted table", deliver("connector: postgres, connection: erp, table: 'public.\"orders\"'"), "option.identifier", 3, "no safe identifier"),
    ("55 where in a source", source("connector: postgres, connection: c, table: t, where: '1=1; delete from t'"), "option.unknown", 2, "unknown option 'where'"),
    ("55 statements in a filter", short(more="translate:\n  filter: 1=1; delete from t\n"), "expression.syntax", 5, "'; delete from t'"),
    ("56 Jinja", short(more="title: \"{{ ''.__class__.__mro__ }}\"\n"), "value.template", 4, "a template {{ … }}"),
    ("56 Jinja unquoted", short(more="title: {{ ds }}\n"), "yaml.template", 4, "a template {{ … }}"),
    ("56 Jinja block", source("connector: files, connection: c, path: 'x{% if a %}.csv'"), "value.template", 2, "nothing here is a template"),
    ("57 import", fields("\"__import__('os')\""), "expression.function", 6, "unknown or refused function __import__"),
    ("58 absolute path", source("connector: files, connection: c, path: /etc/passwd, format: csv"), "option.path", 2, "the absolute path '/etc/passwd'"),
    ("58 path upwards", source("connector: files, connection: c, path: ../../secrets.csv"), "option.path", 2, "leads out of its folder"),
    ("58 path upwards in a delivery", deliver("connector: files, connection: c, path: 'a/../../x.csv'"), "option.path", 3, "leads out of its folder"),
    ("58 URL as a path", source("connector: files, connection: c, path: 'file:///etc/passwd.csv'"), "option.path", 2, "the URL"),
    ("59 id with a slash", "integration: a/b\n" + SOURCE + DELIVER, "integration.id", 1, "'a/b'"),
    ("59 id with a newline", 'integration: "a\\nb"\n' + SOURCE + DELIVER, "integration.id", 1, r"'a\nb'"),
    ("59 id with a look-alike", "integration: s\u0430les\n" + SOURCE + DELIVER, "integration.id", 1, r"s\u0430les"),
    ("59 id too long", "integration: " + "x" * 201 + "\n" + SOURCE + DELIVER, "integration.id", 1, "at most 200"),
    ("60 password", source("connector: postgres, connection: c, table: t, password: hunter2"), "secret.in_clear", 2, "a secret in clear (password)"),
    ("60 token in params", source("connector: http, connection: c, path: /x, records: data, params: {api_key: abc}"), "secret.in_clear", 2, "(api_key)"),
    ("60 URI as a connection", source("connector: postgres, connection: 'postgresql://u:p@h/d', table: t"), "secret.in_clear", 2, "the id of an Airflow connection"),
    ("60 userinfo in a path", source("connector: http, connection: c, path: 'https://user:pw@host/x', records: data"), "secret.in_clear", 2, "a user or a password in it"),
    ("62 every second", short(more='schedule: "* * * * * *"\n'), "schedule.seconds", 4, "a schedule with seconds"),
    # keys and values of the document
    ("integration missing", SOURCE + DELIVER, "key.missing", 1, "integration is missing"),
    ("integration misspelt", "integraton: job\n" + SOURCE + DELIVER, "key.unknown", 1, "did you mean 'integration'?"),
    ("source missing", HEAD + DELIVER, "key.missing", 1, "source is missing"),
    ("graph with deliver", HEAD + "sources:\n  a: {connector: postgres, connection: c, table: t}\ndeliver: {}\n", "key.unknown", 4, "did you mean 'deliveries'?"),
    ("version", "dragoman: 2\n" + SHORT, "key.value", 1, "unknown value 2 for dragoman"),
    ("title is a list", short(more="title: [a]\n"), "key.type", 4, "a list where text is due"),
    ("source is a text", short(source="source: files"), "key.type", 2, "source is 'files'"),
    ("cron with a bad hour", short(more='schedule: "0 25 * * *"\n'), "schedule.cron", 4, "'25' as hour"),
    ("cron of four fields", short(more='schedule: "0 1 * *"\n'), "schedule.cron", 4, "a schedule of 4 fields"),
    ("cron of a day that never comes", short(more='schedule: "0 0 30 2 *"\n'), "schedule.never", 4, "never comes"),
    ("cron preset", short(more='schedule: "@dayly"\n'), "schedule.cron", 4, "@daily"),
    ("schedule is a number", short(more="schedule: 5\n"), "key.not_text", 4, "quote it"),
    ("time zone", short(more="schedule: {cron: '0 1 * * *', timezone: Europe/Pari}\n"), "timezone.unknown", 4, "did you mean 'Europe/Paris'?"),
    ("schedule twice", short(more="schedule: {cron: '0 1 * * *', after: [x]}\n"), "schedule.two", 4, "after beside cron"),
    ("after itself", short(more="schedule: {after: [job]}\n"), "schedule.itself", 4, "after itself"),
    ("policy key", short(more="policy:\n  max_reject: 5\n"), "key.unknown", 5, "did you mean 'max_rejects'?"),
    ("policy rate", short(more="policy: {max_rejects: {rate: 120%}}\n"), "policy.rate", 4, "a share such as 2%"),
    ("policy retries", short(more='policy: {retries: "3"}\n'), "key.type", 4, "a whole number"),
    ("policy tasks", short(more="policy: {tasks: singel}\n"), "key.value", 4, "did you mean 'single'?"),
    ("policy memory", short(more="policy: {memory: lots}\n"), "policy.memory", 4, "such as 384MB"),
    ("policy deadline", short(more="policy: {deadline: soon}\n"), "duration", 4, "the duration 'soon'"),
    ("alert event", short(more="alerts:\n- on: [failed, hold]\n  notifier: email\n"), "key.value", 5, "did you mean 'held'?"),
    ("alert key", short(more="alerts:\n- on: [failed]\n  notifier: email\n  too: [a@b.c]\n"), "key.unknown", 7, "did you mean 'to'?"),
    ("alert url", short(more="alerts:\n- on: failed\n  notifier: webhook\n  url: https://hooks.example.com\n"), "key.unknown", 7, "one of on, notifier, connection, to"),
    ("alert notifier", short(more="alerts:\n- on: failed\n  notifier: e-mail\n  to: [a@b.c]\n"), "key.value", 6, "did you mean 'email'?"),
    ("alert overdue", short(more="alerts:\n- on: [overdue]\n  notifier: email\n  to: [a@b.c]\n"), "language.not_yet", 5, "the event overdue is not available yet"),
    ("alert overdue alone", short(more="alerts:\n- on: overdue\n  notifier: email\n  to: [a@b.c]\n"), "language.not_yet", 5, "the event overdue is not available yet"),
    ("mail to nobody", short(more="alerts:\n- on: failed\n  notifier: email\n"), "alerts.no_receiver", 5, "a mail to nobody"),
    ("mail address", short(more="alerts:\n- on: failed\n  notifier: email\n  to: [a@b.c, ops]\n"), "alerts.address", 7, "'ops' in to"),
    ("two addresses in one", short(more="alerts:\n- on: failed\n  notifier: email\n  to: \"a@b.c, d@e.f\"\n"), "alerts.address", 7, "an address such as"),
    ("a header in an address", short(more="alerts:\n- on: failed\n  notifier: email\n  to: [\"a@b.c\\nBcc:x@y.z\"]\n"), "alerts.address", 7, "an address such as"),
    ("webhook without connection", short(more="alerts:\n- on: failed\n  notifier: webhook\n"), "alerts.no_connection", 5, "a webhook without a connection"),
    ("webhook with to", short(more="alerts:\n- on: failed\n  notifier: webhook\n  connection: hook\n  to: [a@b.c]\n"), "alerts.no_to", 8, "to in a webhook"),
    ("late without deadline", short(more="alerts:\n- on: [failed, late]\n  notifier: email\n  to: [a@b.c]\n"), "alerts.no_deadline", 5, "policy: {deadline: 30m}"),
    ("access right", short(more="access: {sales: [read, write]}\n"), "key.value", 4, "unknown value 'write'"),
    # connectors, formats, options
    ("unknown connector", source("connector: postgre, connection: c, table: t"), "connector.unknown", 2, "did you mean 'postgres'?"),
    ("connection misspelt", deliver("connector: postgres, conection: c, table: t"), "option.unknown", 3, "did you mean 'connection'?"),
    ("connector misspelt", source("conector: files, path: a.csv"), "key.unknown", 2, "did you mean 'connector'?"),
    ("connector missing", deliver("connection: c, table: t"), "key.missing", 3, "connector is missing"),
    ("connection missing", deliver("connector: postgres, table: t"), "connection.missing", 3, "postgresql://user:password@host"),
    ("table missing", deliver("connector: postgres, connection: c"), "option.missing", 3, "table is missing"),
    ("table and query missing", source("connector: postgres, connection: c"), "option.missing", 2, "table or query is missing"),
    ("table and query", source("connector: postgres, connection: c, table: t, query: SELECT 1"), "option.one_of", 2, "query beside table"),
    ("option misspelt", deliver("connector: postgres, connection: c, tabel: t, table: t"), "option.unknown", 3, "did you mean 'table'?"),
    ("option of a wrong type", deliver("connector: postgres, connection: c, table: [t]"), "option.type", 3, "an identifier such as"),
    ("option value", source("connector: files, connection: c, path: x.csv, reread: change"), "option.value", 2, "did you mean 'changed'?"),
    ("option duration", source("connector: files, connection: c, path: x.csv, settle: long"), "option.type", 2, "a duration such as"),
    ("option object", source("connector: files, connection: c, path: x.csv, after: {mov: done/}"), "option.unknown", 2, "did you mean 'move'?"),
    ("unknown mode", deliver("connector: postgres, connection: c, table: t, mode: upset, key: [id]"), "mode.unknown", 3, "did you mean 'upsert'?"),
    ("a mode that it cannot", deliver("connector: files, connection: c, path: x.csv, mode: upsert, key: [id]"), "mode.unknown", 3, "one of append, replace"),
    ("delete without a key", deliver("connector: postgres, connection: c, table: t, mode: delete"), "mode.no_key", 3, "delete without a key"),
    ("delete into files", deliver("connector: files, connection: c, path: a.csv, mode: delete, key: [id]"), "mode.unknown", 3, "unknown mode 'delete' of the connector 'files'"),
    ("version without an upsert", deliver("connector: postgres, connection: c, table: t, version: changed"), "upsert.mode", 3, "version with mode append"),
    ("insert_only in a replacement", deliver("connector: sqlite, connection: c, table: t, mode: replace, insert_only: [a]"), "upsert.mode", 3, "insert_only with mode replace"),
    ("version of files", deliver("connector: files, connection: c, path: a.csv, version: changed"), "upsert.not_here", 3, "version in a delivery of the connector 'files'"),
    ("update beside insert_only", deliver("connector: duckdb, connection: c, table: t, key: [id], update: [a], insert_only: [b]"), "upsert.two_lists", 3, "insert_only beside update"),
    ("the key in update", deliver("connector: duckdb, connection: c, table: t, key: [id], update: [id]"), "upsert.in_key", 3, "'id' in update, which is part of the key"),
    ("the key as version", deliver("connector: duckdb, connection: c, table: t, key: id, version: id"), "upsert.in_key", 3, "'id' in version, which is part of the key"),
    ("a version that is not made", "integration: x\nsource: {connector: postgres, connection: c, table: t}\ntranslate: {fields: {id: id, changed: changed}}\ndeliver: {connector: postgres, connection: c, table: t, key: [id], version: chnged}\n", "upsert.no_field", 4, "'chnged' in version, which the translation does not make"),
    ("upsert without a key", deliver("connector: postgres, connection: c, table: t, mode: upsert"), "mode.no_key", 3, "upsert without a key"),
    ("key that is no identifier", deliver("connector: postgres, connection: c, table: t, key: ['a b']"), "name.identifier", 3, "'a b' is no safe identifier"),
    ("unknown format", source("connector: files, connection: c, path: x, format: cvs"), "format.unknown", 2, "did you mean 'csv'?"),
    ("format missing", source("connector: files, connection: c, path: 'orders/*'"), "format.missing", 2, "does not tell it by its ending"),
    ("format option", source("connector: files, connection: c, path: x, format: {type: csv, delimeter: ';'}"), "option.unknown", 2, "did you mean 'delimiter'?"),
    ("format option type", source("connector: files, connection: c, path: x, format: {type: csv, header: 'yes'}"), "option.type", 2, "true or false"),
    ("format of a table", source("connector: postgres, connection: c, table: t, format: csv"), "format.not_here", 2, "format where no files are"),
    ("cursor of files", source("connector: files, connection: c, path: x.csv, cursor: changed_at"), "cursor.not_here", 2, "cannot read by one"),
    ("cursor column", source("connector: postgres, connection: c, table: t, cursor: {column: 'a; b'}"), "name.identifier", 2, "'a; b'"),
    ("cursor overlap", source("connector: postgres, connection: c, table: t, cursor: {column: a, overlap: 15x}"), "duration", 2, "'15x'"),
    ("declared type", source("connector: files, connection: c, path: x.csv, types: {a: 'decimal(40,2)'}"), "type.unknown", 2, "s <= p <= 38"),
    ("unquoted decimal", source("connector: files, connection: c, path: x.csv, types: {a: decimal(12,2)}"), "type.cut", 2, "cut off at its comma"),
    ("unquoted decimal of a field", fields("{from: a, type: decimal(12,2)}"), "type.cut", 6, 'quotes around it: "decimal(12,2)"'),
    ("stream name", source("connector: postgres, connection: c, streams: {'a b': {table: t}}"), "name.identifier", 2, "the name 'a b'"),
    ("stream option", source("connector: postgres, connection: c, streams: {a: {tabel: t, table: t}}"), "option.unknown", 2, "did you mean 'table'?"),
    # translations
    ("unknown type", fields("{from: a, type: int}"), "type.unknown", 6, "did you mean 'integer'?"),
    ("field key", fields("{from: a, requird: true}"), "key.unknown", 6, "did you mean 'required'?"),
    ("field is a number", fields("1"), "key.not_text", 6, "quote it"),
    ("hidden name", short(more="translate:\n  fields:\n    _rid: a\n"), "name.hidden", 6, "kept for the platform"),
    ("name with a quote", short(more="translate:\n  fields:\n    'a\"b': a\n"), "name.column", 6, "without quotes"),
    ("expression that ends too early", fields("upper(a"), "expression.syntax", 6, "it ends too early"),
    ("a word of SQL among others", fields("order + 1"), "expression.syntax", 6, 'at or near "order"'),
    ("expression of nothing", fields("''"), "expression.empty", 6, "an empty expression"),
    ("two expressions", fields("'a, b'"), "expression.syntax", 6, "more than one expression"),
    ("a way out of the brackets", fields("a) FROM t WHERE (b"), "expression.syntax", 6, "more than one expression"),
    ("a subquery", fields("(SELECT max(x) FROM t)"), "expression.syntax", 6, "a subquery"),
    ("a window", fields("row_number() OVER ()"), "expression.syntax", 6, "a window function"),
    ("a star", fields("'*'"), "expression.syntax", 6, "* or COLUMNS()"),
    ("reads a file", fields("read_text('/etc/passwd')"), "expression.function", 6, "read_text"),
    ("reads the environment", fields("getenv('HOME')"), "expression.function", 6, "getenv"),
    ("query as a function", fields("query('SELECT 1')"), "expression.function", 6, "query"),
    ("a function misspelt", fields("uper(a)"), "expression.function", 6, "did you mean 'upper'?"),
    ("an aggregate", fields("sum(a)"), "expression.function", 6, "the aggregate function sum"),
    ("unnest", fields("unnest(a)"), "expression.function", 6, "each: for one output per element"),
    ("check of an unknown field", fields("{from: a, check: y > 0}"), "expression.field", 6, "unknown field 'y'"),
    ("checks of an unknown field", short(more="translate:\n  fields: {amount: a}\n  checks:\n    positive: amont > 0\n"), "expression.field", 7, "did you mean 'amount'?"),
    ("format of a text", fields("{from: a, format: '%d.%m.%Y'}"), "field.format", 6, "type: date"),
    ("words of a text", fields("{from: a, type: text, true: [J]}"), "field.words", 6, "type: boolean"),
    ("two lists in each", short(more="translate:\n  each: {a: x, b: y}\n"), "each.shape", 5, "2 lists in each"),
    ("lookup of an unknown source", short(more="translate:\n  lookups:\n    c: {from: customers, on: {id: x}}\n"), "from.unknown", 6, "unknown name 'customers'"),
    ("lookup without on", short(more="translate:\n  lookups:\n    c: {from: source}\n"), "key.missing", 6, "on is missing"),
    ("lookup missing", short(more="translate:\n  lookups:\n    c: {from: source, on: {id: x}, missing: ignore}\n"), "key.value", 6, "one of reject, null"),
    ("sql file missing", short(more="translate:\n  sql: lines.sql\n"), "file.missing", 5, "no file job/lines.sql"),
    ("sql file outside", short(more="translate:\n  sql: ../other/lines.sql\n"), "file.outside", 5, "leads out of its folder"),
    ("sql beside fields", short(more="translate:\n  fields: {a: a}\n  python: t.py\n"), "translation.two_ways", 6, "python beside fields"),
    ("key that the translation does not make", short(deliver="deliver: {connector: postgres, connection: c, table: t, key: [order_id]}", more="translate: {fields: {order_no: a}}\n"), "key.no_field", 3, "'order_id', which the translation does not make"),
    ("when of an unknown field", short(deliver="deliver: {connector: postgres, connection: c, table: t, when: regio = 'EU'}", more="translate: {fields: {region: a}}\n"), "expression.field", 3, "did you mean 'region'?"),
    ("else alone", deliver("connector: postgres, connection: c, table: t, when: else"), "when.else_alone", 3, "else without a sibling"),
    ("option duration beyond its bounds", deliver("connector: http, connection: c, path: /o, read_back: {path: '/o/{id}', settle: 2h}"), "option.type", 3, "up to 600 s"),
    # options that cannot stand together
    ("batch beside an item's path", deliver("connector: http, connection: c, path: '/orders/{id}', batch: 50"), "option.combination", 3, "a path that is the same for all items"),
    ("reading back without a key", deliver("connector: http, connection: c, path: /orders, read_back: /orders"), "option.combination", 3, "read_back without a key"),
    ("a match without results", deliver("connector: http, connection: c, path: /orders, batch: 50, result: {match: id}"), "option.combination", 3, "items or failed beside it"),
    ("ok without a status", deliver("connector: http, connection: c, path: /orders, result: {items: results, ok: [done]}"), "option.combination", 3, "result.ok without result.status"),
    ("batch in mode delete", deliver("connector: http, connection: c, path: /o, delete: '/o/{id}', batch: 5, mode: delete, key: [id]"), "option.combination", 3, "batch in mode delete"),
    ("mode delete without a path of one item", deliver("connector: http, connection: c, path: /o, mode: delete, key: [id]"), "option.combination", 3, "a path such as /orders/{number}"),
    ("delete without a placeholder", deliver("connector: http, connection: c, path: /o, delete: /o"), "option.combination", 3, "the path of one item"),
    ("a placeholder that is no field", short(deliver="deliver: {connector: http, connection: c, path: '/orders/{nr}'}", more="translate: {fields: {number: a}}\n"), "option.no_field", 3, "'nr' in path, which the translation does not make"),
    ("an external id that is no field", short(deliver="deliver: {connector: http, connection: c, path: /orders, external_id: numbre}", more="translate: {fields: {number: a}}\n"), "option.no_field", 3, "did you mean 'number'?"),
    ("a key to read back that is no field", short(deliver="deliver: {connector: http, connection: c, path: /orders, read_back: {path: /orders, key: nr}}", more="translate: {fields: {number: a}}\n"), "option.no_field", 3, "'nr' in read_back"),
    ("a place to remove at that is no field", short(deliver="deliver: {connector: http, connection: c, path: /orders, delete: '/orders/{nr}'}", more="translate: {fields: {number: a}}\n"), "option.no_field", 3, "'nr' in delete"),
    # the graph
    ("unknown from", graph(deliveries="  out: {from: c, connector: postgres, connection: c, table: t}"), "from.unknown", 6, "unknown name 'c' in from"),
    ("delivery without from", graph(deliveries="  out: {connector: postgres, connection: c, table: t}"), "key.missing", 6, "from is missing"),
    ("no deliveries", "integration: job\nsources:\n  a: {connector: postgres, connection: c, table: t}\ndeliveries: {}\n", "key.type", 4, "deliveries is empty"),
    ("cycle", graph("translations:\n  x: {from: y}\n  y: {from: x}\n", "  out: {from: x, connector: postgres, connection: c, table: t}"), "from.cycle", 7, "a circle: x > y > x"),
    ("several inputs without a query", graph("translations:\n  x: {from: [a, b], fields: {id: id}}\n", "  out: {from: x, connector: postgres, connection: c, table: t}"), "translation.inputs", 6, "2 inputs without a query"),
    ("a source for nothing", graph(), "source.unused", 4, "'b', from which nothing takes"),
    ("a translation for nothing", graph("translations:\n  x: {from: b}\n"), "translation.unused", 6, "'x', from which nothing takes"),
    ("one name twice", graph("translations:\n  a: {from: b}\n"), "name.twice", 6, "the name 'a' in translations and in sources"),
    ("two else", graph("", "  o: {from: a, when: x > 1, connector: postgres, connection: c, table: t}\n  p: {from: a, when: else, connector: postgres, connection: c, table: t}\n  q: {from: a, when: else, connector: postgres, connection: c, table: t}"), "when.two_else", 8, "a second else from 'a'"),
    ("node name", graph("", "  o-1: {from: a, connector: postgres, connection: c, table: t}"), "name.identifier", 6, "the name 'o-1'"),
    # what a later version will know
    ("template", short(more="template: base\n"), "language.not_yet", 4, "template is not available yet"),
    ("environments", short(more="environments: {prod: {}}\n"), "language.not_yet", 4, "environments is not available yet"),
    ("privacy", short(more="privacy: {}\n"), "language.not_yet", 4, "privacy is not available yet"),
    ("offer", short(more="offer: {}\n"), "language.not_yet", 4, "offer is not available yet"),
    ("group", short(more="translate:\n  group: {by: [a]}\n"), "language.not_yet", 5, "group is not available yet"),
    ("xslt", short(more="translate:\n  xslt: a.xsl\n"), "language.not_yet", 5, "xslt is not available yet"),
    ("capture", source("connector: postgres, connection: c, table: t, capture: logical"), "language.not_yet", 2, "capture is not available yet"),
    ("deletes", source("connector: postgres, connection: c, table: t, deletes: all"), "deletes.shape", 2, "'all' in deletes"),
    ("schema changes", deliver("connector: postgres, connection: c, table: t, schema_changes: evolve"), "language.not_yet", 3, "schema_changes is not available yet"),
    ("edifact", source("connector: files, connection: c, path: 'x.edi', format: {type: edifact, message: ORDERS}"), "language.not_yet", 2, "the format edifact is not available yet"),
    ("parquet", deliver("connector: files, connection: c, path: 'x.parquet', format: parquet"), "language.not_yet", 3, "the format parquet is not available yet"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "line", "fragment"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_one_mistake_is_one_problem(problems_of, text, code, line, fragment):
    problems = problems_of(text)
    told = [(problem.code, problem.line) for problem in problems]
    assert told == [(code, line)], "\n".join(map(str, problems))
    assert fragment in str(problems[0])


def test_the_frame_of_these_cases_is_good(compiled):
    assert compiled(SHORT).problems == []
    good = graph(
        "translations:\n  x: {from: b}\n",
        "  out: {from: a, connector: postgres, connection: c, table: t}\n  o: {from: x, connector: postgres, connection: c, table: t}",
    )
    assert compiled(good).problems == []


@pytest.mark.parametrize("secret", ["password: hunter2", "params: {token: hunter2}", "path: 'ftp://me:hunter2@host/x'"])
def test_a_message_never_repeats_a_secret(problems_of, secret):
    problems = problems_of(source(f"connector: http, connection: c, records: data, {secret}"))
    assert any(problem.code == "secret.in_clear" for problem in problems)
    assert "hunter2" not in "".join(map(str, problems))
