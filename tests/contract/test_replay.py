"""Rejected records sent again: exactly those, in exactly the parts that were rejected, by today's mapping."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from workshop import Workshop

CSV = "source: {connector: files, connection: inbox, path: orders.csv}"
NDJSON = "source: {connector: files, connection: inbox, path: orders.ndjson}"


class Shop(Workshop):
    """Asks and tells as a person at the command line does."""

    def write(self, *lines: str) -> None:
        self.integration("orders", "\n".join(("integration: orders", *lines)) + "\n")

    def send(self, name: str, *lines: str) -> None:
        (self.folder / "inbox" / name).write_text("".join(f"{line}\n" for line in lines))

    def do(self, *words: str, expect: int = 0) -> Any:
        done = self.run(*words, "--json")
        assert done.returncode == expect, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def replay(self, *words: str, expect: int = 0) -> Any:
        return self.do("replay", "orders", *(words or ("--all",)), expect=expect)

    def rejects(self, *words: str) -> list[dict[str, Any]]:
        return self.do("rejects", "orders", *words)

    def rows(self, query: str, base: str = "out/lite.db") -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / base) as database:
            return database.execute(query).fetchall()

    def script(self, text: str, base: str = "out/lite.db") -> None:
        with sqlite3.connect(self.folder / base) as database:
            database.executescript(text)

    def audits(self) -> list[tuple[str, str]]:
        return [
            (what, detail)
            for what, detail in self.rows("select what, detail from dragoman_audit order by id", "home/ledger.db")
        ]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_after_a_correction_exactly_the_rejected_ones_are_sent(shop: Shop) -> None:
    shop.send("orders.csv", "id,name", "1,one", "two,two", "3,three", "four,four")
    deliver = "deliver: {connector: sqlite, connection: lite, table: orders, mode: append}"
    shop.write(CSV, "translate: {fields: {id: {from: id, type: integer}, name: name}}", deliver)
    assert shop.report("orders")["rejected"] == 2
    shop.write(
        CSV, "translate: {fields: {id: {from: \"replace(id, 'two', '2')\", type: integer}, name: name}}", deliver
    )
    seen = shop.replay("--all", "--dry-run", expect=1)
    assert seen["deliveries"] == {"deliver": [{"id": 2, "name": "two"}]}
    assert [one["position"] for one in seen["rejects"]] == ["orders.csv:5"]
    assert shop.rows("select count(*) from orders") == [(2,)]
    report = shop.replay(expect=1)
    assert (report["kind"], report["read"], report["delivered"], report["rejected"]) == ("replay", 2, 1, 1)
    assert sorted(shop.rows("select id, name from orders")) == [(1, "one"), (2, "two"), (3, "three")]
    (left,) = shop.rejects()
    assert (left["run_id"], left["position"]) == (report["run_id"], "orders.csv:5")
    assert json.loads(left["original"]) == {"id": "four", "name": "four"}
    assert [one["state"] for one in shop.rejects("--all")] == ["replayed", "replayed", "open"]
    assert shop.report("orders")["state"] == "nothing_new"
    assert [what for what, _detail in shop.audits()] == ["replay"]
    assert [(one["kind"], one["state"]) for one in shop.do("runs", "orders")] == [
        ("live", "nothing_new"),
        ("replay", "done"),
        ("live", "done"),
    ]


def test_a_selection_is_demanded_and_holds(shop: Shop) -> None:
    shop.send("orders.csv", "id,price", "a,1", "2,b", "c,3")
    shop.write(
        CSV,
        "translate: {fields: {id: {from: id, type: integer}, price: {from: price, type: double}}}",
        "deliver: {connector: sqlite, connection: lite, table: orders}",
    )
    shop.report("orders")
    assert shop.do("replay", "orders", expect=2)["error"] == "replay.nothing_chosen"
    assert shop.do("replay", "orders", "--reject", "99", expect=2)["error"] == "reject.unknown"
    first, second, third = shop.rejects()
    assert shop.replay("--field", "price", expect=1)["chosen"] == 1
    assert shop.replay("--code", "no.such")["chosen"] == 0
    assert shop.replay("--run", first["run_id"], "--reject", str(first["id"]), expect=1)["chosen"] == 1
    gone = shop.replay("--reject", str(second["id"]), expect=1)
    assert [(one["id"], one["code"]) for one in gone["refused"]] == [(second["id"], "replay.not_open")]
    assert (gone["run_id"], third["state"]) == ("", "open")


def test_a_record_that_one_delivery_refused_is_not_sent_to_the_others(shop: Shop) -> None:
    shop.script("create table eu (id integer, name text check (length(name) < 5)); create table us (id int, name text)")
    shop.send("orders.csv", "id,name", "1,one", "2,much too long", "x,no id", "3,three")
    mapping = "translations: {lines: {from: orders, fields: {id: {from: id, type: integer}, name: name}}}"
    graph = (
        "sources: {orders: {connector: files, connection: inbox, path: orders.csv}}",
        mapping,
        "deliveries:",
        "  eu: {from: lines, connector: sqlite, connection: lite, table: eu, mode: append}",
        "  us: {from: lines, connector: sqlite, connection: lite, table: us, mode: append}",
    )
    shop.write(*graph)
    report = shop.report("orders")
    assert (report["delivered"], report["rejected"]) == (4, 3)
    shop.write(
        *(
            line.replace("name: name", 'name: "left(name, 4)"').replace(
                "{from: id, type", "{from: \"replace(id, 'x', '9')\", type"
            )
            for line in graph
        )
    )
    report = shop.replay()
    assert (report["read"], report["delivered"], report["balanced"]) == (3, 4, True)
    assert shop.rows("select id, name from eu order by id") == [(1, "one"), (2, "much"), (3, "thre"), (9, "no i")]
    assert shop.rows("select id, name from us order by id") == [
        (1, "one"),
        (2, "much too long"),
        (3, "three"),
        (9, "no i"),
    ]


def test_only_the_rejected_line_of_an_order_is_sent(shop: Shop) -> None:
    shop.send(
        "orders.ndjson",
        '{"number": 7, "lines": [{"n": 1, "quantity": "2"}, {"n": 2, "quantity": "two"}, {"n": 3, "quantity": "4"}]}',
        '{"number": 8, "lines": [{"n": 1, "quantity": "5"}]}',
        '{"number": 9, "lines": [{"n": 1, "quantity": "six"}]}',
    )
    rest = "number: number, line: line.n, quantity: {from: QUANTITY, type: integer}}}"
    mapping = "translate: {each: {line: lines, atomic: false}, fields: {" + rest
    deliver = "deliver: {connector: sqlite, connection: lite, table: lines, mode: append}"
    shop.write(NDJSON, mapping.replace("QUANTITY", "line.quantity"), deliver)
    report = shop.report("orders")
    assert (report["read"], report["delivered"], report["rejected"]) == (3, 3, 2)
    shop.write(NDJSON, mapping.replace("QUANTITY", "\"replace(line.quantity, 'two', '20')\""), deliver)
    report = shop.replay(expect=1)
    assert (report["read"], report["delivered"], report["rejected"]) == (2, 1, 1)
    assert sorted(shop.rows("select number, line, quantity from lines")) == [
        (7, 1, 2),
        (7, 2, 20),
        (7, 3, 4),
        (8, 1, 5),
    ]
    shop.write(NDJSON, mapping.replace("QUANTITY", "\"replace(line.quantity, 'six', '6')\""), deliver)
    assert shop.replay()["delivered"] == 1
    assert shop.rows("select line, quantity from lines where number = 9") == [(1, 6)]
    assert shop.rejects() == []


def test_lines_of_another_list_are_refused(shop: Shop) -> None:
    shop.send("orders.ndjson", '{"n": 1, "lines": [{"q": 1}, {"q": "x"}], "items": [{"q": 3}, {"q": 4}]}')
    mapping = "translate: {each: {line: LIST, atomic: false}, fields: {q: {from: line.q, type: integer}}}"
    deliver = "deliver: {connector: sqlite, connection: lite, table: lines}"
    shop.write(NDJSON, mapping.replace("LIST", "lines"), deliver)
    assert shop.report("orders")["rejected"] == 1
    shop.write(NDJSON, mapping.replace("LIST", "items"), deliver)
    assert [one["code"] for one in shop.replay(expect=1)["refused"]] == ["replay.lines_changed"]
    assert shop.rows("select q from lines") == [(1,)]


def test_what_json_values_are_is_known_from_the_run_that_read_them(shop: Shop) -> None:
    """Alone the rejected record would pass: its number is a text, and nothing declares a type."""
    shop.send(
        "orders.ndjson",
        *(f'{{"id": {number}, "of": {{"q": {number}}}}}' for number in range(5)),
        '{"id": "six", "of": {"q": 1}}',
    )
    mapping = 'translate: {fields: {id: ID, twice: "of.q * 2"}}'
    deliver = "deliver: {connector: sqlite, connection: lite, table: orders}"
    shop.write(NDJSON, mapping.replace("ID", '"id + 0"'), deliver)
    assert shop.report("orders")["rejected"] == 1
    assert shop.replay(expect=1)["rejected"] == 1
    number = shop.rejects()[0]["id"]
    assert shop.do("correct", "orders", str(number), "--set", "id=6")["fields"] == ["id"]
    assert shop.replay()["delivered"] == 1
    assert shop.rows("select id, typeof(id), twice from orders where id = 6") == [(6, "integer", 2)]


def test_a_sibling_translation_does_not_get_it_again(shop: Shop) -> None:
    shop.send("orders.csv", "id,price", "1,10", "2,ten")
    graph = (
        "sources: {orders: {connector: files, connection: inbox, path: orders.csv}}",
        "translations:",
        "  names: {from: orders, fields: {id: id}}",
        "  prices: {from: orders, fields: {id: id, price: {from: \"replace(price, 'no', '0')\", type: integer}}}",
        "deliveries:",
        "  a: {from: names, connector: sqlite, connection: lite, table: names}",
        "  b: {from: prices, connector: sqlite, connection: lite, table: prices}",
    )
    shop.write(*graph)
    shop.report("orders")
    shop.write(*(line.replace("'no', '0'", "'ten', '10'") for line in graph))
    report = shop.replay()
    assert report["nodes"]["names"]["filtered.delivered_before"] == 1
    assert (report["read"], report["delivered"], report["balanced"]) == (1, 1, True)
    assert shop.rows("select count(*) from names") == [(2,)]
    assert shop.rows("select id, price from prices order by id") == [("1", 10), ("2", 10)]


def test_what_would_now_go_elsewhere_is_not_sent_unasked(shop: Shop) -> None:
    shop.script(
        "create table eu (id integer, land text, name text check (length(name) < 5)); create table us (id, land, name)"
    )
    shop.send("orders.csv", "id,land,name", "1,eu,too long", "2,us,b")
    graph = (
        "sources: {orders: {connector: files, connection: inbox, path: orders.csv}}",
        "translations: {all: {from: orders, fields: {id: {from: id, type: integer}, land: LAND, name: name}}}",
        "deliveries:",
        "  eu: {from: all, when: \"land = 'eu'\", connector: sqlite, connection: lite, table: eu}",
        "  us: {from: all, when: else, connector: sqlite, connection: lite, table: us}",
    )
    shop.write(*(line.replace("LAND", "land") for line in graph))
    assert shop.report("orders")["rejected"] == 1
    shop.write(*(line.replace("LAND", "\"replace(land, 'eu', 'us')\"") for line in graph))
    assert shop.replay(expect=1)["rejected"] == 1
    assert [one["code"] for one in shop.rejects()] == ["replay.elsewhere"]
    assert shop.rows("select id from us") == [(2,)]
    shop.write(*(line.replace("LAND", "land").replace("name: name", 'name: "left(name, 3)"') for line in graph))
    assert shop.replay()["delivered"] == 1
    assert shop.rows("select id, name from eu") == [(1, "too")]


def test_lookups_are_read_anew_and_other_sources_are_not(shop: Shop) -> None:
    shop.connections["crm"] = f"sqlite:///{shop.folder / 'crm.db'}"
    shop.script("create table customers (id integer, name text); insert into customers values (1, 'Ann')", "crm.db")
    shop.send("orders.csv", "id,customer", "10,1", "11,2")
    shop.write(
        "sources:",
        "  orders: {connector: files, connection: inbox, path: orders.csv}",
        "  customers: {connector: sqlite, connection: crm, table: customers}",
        "translations: {all: {from: orders, lookups: {c: {from: customers, on: {id: customer}}}, fields: {id: id, name: c.name}}}",
        "deliveries: {out: {from: all, connector: sqlite, connection: lite, table: orders}}",
    )
    assert shop.report("orders")["rejected"] == 1
    shop.script("insert into customers values (2, 'Bob')", "crm.db")
    assert shop.replay()["delivered"] == 1
    assert shop.rows("select id, name from orders") == [("10", "Ann"), ("11", "Bob")]


def test_outputs_of_a_whole_set_are_sent_again_as_they_were(shop: Shop) -> None:
    shop.script("create table totals (customer text, total integer check (total < 100))")
    shop.send("orders.csv", "customer,price", "a,60", "a,70", "b,5", "c,7")
    (shop.folder / "integrations" / "orders").mkdir()
    (shop.folder / "integrations" / "orders" / "totals.sql").write_text(
        "SELECT customer, sum(CAST(price AS INTEGER))::BIGINT AS total FROM source GROUP BY customer"
    )
    lines = (
        CSV,
        "translate: {sql: totals.sql, whole_set: true, checks: {paid: \"customer <> 'c'\"}}",
        "deliver: {connector: sqlite, connection: lite, table: totals}",
    )
    shop.write(*lines)
    report = shop.report("orders")
    assert (report["delivered"], report["rejected"]) == (1, 2)
    assert {one["code"] for one in shop.rejects()} >= {"check.paid"}
    shop.script("drop table totals; create table totals (customer text, total integer)")
    report = shop.replay(expect=1)
    assert (report["read"], report["delivered"], report["rejected"], report["balanced"]) == (2, 1, 1, True)
    assert shop.rows("select * from totals") == [("a", 130)]
    shop.write(*(line.replace("<> 'c'", "<> 'd'") for line in lines))
    assert shop.replay()["delivered"] == 1
    assert shop.rows("select * from totals order by total") == [("c", 7), ("a", 130)]


def test_an_unreadable_line_is_corrected_by_hand(shop: Shop) -> None:
    shop.send("orders.csv", "id,name", "1,one", "2,two,too many", "3,three")
    shop.write(
        CSV,
        "translate: {fields: {id: {from: id, type: integer}, name: name}}",
        "deliver: {connector: sqlite, connection: lite, table: orders}",
    )
    assert shop.report("orders")["rejected"] == 1
    number = str(shop.rejects()[0]["id"])
    refused = shop.replay(expect=1)["refused"]
    assert [one["code"] for one in refused] == ["replay.unreadable"]
    assert f"dragoman correct orders {number} --payload" in refused[0]["next"]
    assert shop.do("correct", "orders", number, "--set", "id=2", expect=2)["error"] == "correct.unreadable"
    assert shop.do("correct", "orders", number, expect=2)["error"] == "correct.how"
    (shop.folder / "mended.json").write_text('{"id": "2", "nam": "two"}')
    wrong = shop.do("correct", "orders", number, "--payload", "mended.json", expect=2)
    assert (wrong["error"], wrong["next"]) == ("correct.unknown_field", "did you mean 'name'?")
    (shop.folder / "mended.json").write_text('{"id": 2, "name": "two"}')
    shop.do("correct", "orders", number, "--payload", "mended.json")
    (listed,) = shop.rejects()
    assert (listed["original"], json.loads(listed["corrected"])) == ("2,two,too many", {"id": 2, "name": "two"})
    assert shop.replay()["delivered"] == 1
    assert shop.rows("select id, name from orders order by id") == [(1, "one"), (2, "two"), (3, "three")]
    assert ("correct", f"reject {number}: id, name") in shop.audits()


def test_single_fields_are_corrected_and_the_first_original_stays(shop: Shop) -> None:
    shop.send("orders.csv", "id,name", "x,one", "y,two")
    shop.write(
        CSV,
        "translate: {fields: {id: {from: id, type: integer}, name: name}}",
        "deliver: {connector: sqlite, connection: lite, table: orders}",
    )
    shop.report("orders")
    one, two = (str(reject["id"]) for reject in shop.rejects())
    assert shop.do("correct", "orders", one, "--set", "id=01", "--null", "name")["fields"] == ["id", "name"]
    assert shop.do("correct", "orders", one, "--set", "id=1")["fields"] == ["id"]
    assert shop.do("correct", "orders", two, "--set", "nope=1", expect=2)["error"] == "correct.unknown_field"
    assert shop.replay("--reject", one)["delivered"] == 1
    assert shop.rows("select id, name from orders") == [(1, None)]
    assert shop.do("correct", "orders", one, "--set", "id=1", expect=2)["error"] == "reject.wrong_state"
    kept = shop.rejects("--reject", one)[0]
    assert (json.loads(kept["original"]), kept["state"]) == ({"id": "x", "name": "one"}, "replayed")
    assert not any("01" in detail for what, detail in shop.audits() if what == "correct")


def test_dismissed_they_are_out_of_the_way(shop: Shop) -> None:
    shop.send("orders.csv", "id", "x", "y", "z")
    shop.write(
        CSV,
        "translate: {fields: {id: {from: id, type: integer}}}",
        "deliver: {connector: sqlite, connection: lite, table: orders}",
    )
    shop.report("orders")
    first, second, third = (reject["id"] for reject in shop.rejects())
    assert shop.do("dismiss", "orders", "--reason", "why", expect=2)["error"] == "reject.nothing_chosen"
    assert (
        shop.do("dismiss", "orders", "--reject", str(first), "--reason", " ", expect=2)["error"] == "dismiss.no_reason"
    )
    done = shop.do("dismiss", "orders", "--reject", str(first), "--reject", str(second), "--reason", "sent by mail")
    assert (done["rejects"], done["state"]) == (2, "dismissed")
    assert [one["id"] for one in shop.rejects()] == [third]
    assert (
        shop.do("dismiss", "orders", "--reject", str(first), "--reason", "again", expect=2)["error"]
        == "reject.wrong_state"
    )
    assert shop.replay("--reject", str(first), expect=1)["refused"][0]["code"] == "replay.not_open"
    assert ("dismiss", f"rejects {first}-{second}: sent by mail") in shop.audits()
    assert shop.do("settle", "orders", "--reject", str(third), "--delivered", expect=2)["error"] == "reject.wrong_state"


def test_an_older_version_does_not_go_over_a_newer_one(shop: Shop) -> None:
    shop.connections["shop"] = f"sqlite:///{shop.folder / 'shop.db'}"
    shop.script(
        "create table orders (id integer primary key, seen integer, price text);"
        "insert into orders values (1, 1, 'one'), (2, 1, 'two')",
        "shop.db",
    )
    lines = (
        "source: {connector: sqlite, connection: shop, table: orders, cursor: {column: seen, id: id}}",
        "translate: {fields: {id: id, price: {from: PRICE, type: integer}}}",
        "deliver: {connector: sqlite, connection: lite, table: orders, mode: upsert, key: [id]}",
    )
    shop.write(*(line.replace("PRICE", "price") for line in lines))
    assert shop.report("orders")["rejected"] == 2
    shop.script("update orders set price = '100', seen = 2 where id = 1", "shop.db")
    assert shop.report("orders")["delivered"] == 1
    shop.write(*(line.replace("PRICE", "\"replace(replace(price, 'one', '1'), 'two', '2')\"") for line in lines))
    seen = shop.replay("--all", "--dry-run", expect=1)
    assert [one["code"] for one in seen["rejects"]] == ["replay.newer_delivered"]
    report = shop.replay(expect=1)
    assert (report["read"], report["delivered"], report["rejected"], report["balanced"]) == (2, 1, 1, True)
    assert sorted(shop.rows("select id, price from orders")) == [(1, 100), (2, 2)]
    (left,) = shop.rejects()
    assert (left["code"], left["field"]) == ("replay.newer_delivered", "id")
    assert "id=1 has been delivered in a newer version" in left["message"]
    assert shop.replay(expect=1)["rejected"] == 1
    assert shop.replay("--all", "--force")["delivered"] == 1
    assert sorted(shop.rows("select id, price from orders")) == [(1, 1), (2, 2)]
    assert any('"force":true' in detail for what, detail in shop.audits() if what == "replay")
    assert shop.report("orders")["state"] == "nothing_new"


def test_what_is_replaced_as_a_whole_is_not_replayed(shop: Shop) -> None:
    shop.send("orders.csv", "id", "1", "x")
    shop.write(
        CSV.replace("}", ", reread: always}"),
        "translate: {fields: {id: {from: id, type: integer}}}",
        "deliver: {connector: sqlite, connection: lite, table: orders, mode: replace}",
    )
    shop.report("orders")
    assert [one["code"] for one in shop.replay(expect=1)["refused"]] == ["replay.replace"]
    assert shop.rows("select id from orders") == [(1,)]


def test_the_list_goes_page_by_page(shop: Shop) -> None:
    shop.send("orders.csv", "id", *(f"x{number}" for number in range(1_200)))
    shop.write(
        CSV,
        "translate: {fields: {id: {from: id, type: integer}}}",
        "deliver: {connector: sqlite, connection: lite, table: orders}",
        "policy: {max_rejects: {count: 5000}}",
    )
    shop.report("orders")
    every = shop.rejects()
    assert len(every) == 1_200
    assert [json.loads(one["original"])["id"] for one in every] == [f"x{number}" for number in range(1_200)]
    assert shop.rejects("--limit", "3", "--after", str(every[599]["id"])) == every[600:603]
    assert shop.rejects("--state", "replayed") == []
    assert shop.do("rejects", "orders", "--limit", "0", expect=2)["error"] == "cli.bad_limit"
    done = shop.run("rejects", "orders", "--export", "all.jsonl")
    assert done.stdout == "1200 written to all.jsonl\n"
    assert [json.loads(line) for line in (shop.folder / "all.jsonl").read_text().splitlines()] == every
    text = shop.run("rejects", "orders").stdout
    assert text.count("which is no integer") == 1_200


def test_what_never_came_into_a_set_is_refused_and_stays_open(shop: Shop) -> None:
    shop.send("orders.csv", "id,price", "1,60", "2,70,too many", "3,x")
    (shop.folder / "integrations" / "orders").mkdir()
    (shop.folder / "integrations" / "orders" / "sum.sql").write_text("SELECT sum(price)::BIGINT AS s FROM source")
    shop.write(
        CSV.replace("}", ", types: {price: integer}}"),
        "translate: {sql: sum.sql, whole_set: true}",
        "deliver: {connector: sqlite, connection: lite, table: totals}",
    )
    report = shop.report("orders")
    assert (report["rejected"], report["balanced"]) == (2, True)
    unread, unfit = sorted(shop.rejects(), key=lambda one: one["stage"])
    (shop.folder / "two.json").write_text('{"id": "2", "price": "70"}')
    shop.do("correct", "orders", str(unread["id"]), "--payload", "two.json")
    refused = shop.replay(expect=1)["refused"]
    assert {one["id"]: one["code"] for one in refused} == dict.fromkeys((unread["id"], unfit["id"]), "replay.set_input")
    assert [one["state"] for one in shop.rejects("--all")] == ["open", "open"]
    assert json.loads(unfit["original"]) == {"id": "3", "price": "x"}
    assert shop.rows("select s from totals") == [(60,)]
