"""A backfill beside the live line, from PostgreSQL to PostgreSQL, with the real command."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from dragoman.language import find_flow
from dragoman.steps.backfill import Backfill
from dragoman.steps.deliver import deliver
from dragoman.steps.extract import extract
from dragoman.steps.reconcile import reconcile
from dragoman.steps.run import run
from dragoman.steps.workplace import open_workplace
from workshop import Workshop

SOURCE = "source: {connector: postgres, connection: shop, table: public.orders, cursor: {column: seen, id: id}}"
UPSERT = "deliver: {connector: postgres, connection: erp, table: public.copies, mode: upsert, key: [id]}"
APPEND = "deliver: {connector: postgres, connection: erp, table: public.copies, mode: append}"
DAY = ("run", "orders", "--from", "2024-01-02", "--to", "2024-01-03")


class Shop(Workshop):
    """A source's table and a destination in one database."""

    url: str

    @classmethod
    def over(cls, folder: Any, url: str, *lines: str) -> Shop:
        shop = cls(folder, {"shop": url, "erp": url})
        shop.url = url
        shop.integration("orders", "\n".join(("integration: orders", *(lines or (SOURCE, UPSERT)))) + "\n")
        shop.sql("CREATE TABLE public.orders (id integer PRIMARY KEY, seen timestamptz, name text)")
        return shop

    def sql(self, text: str) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as server:
            answer = server.execute(text)
            return answer.fetchall() if answer.description else []

    def put(self, number: int, seen: str, name: str = "first") -> None:
        self.sql(
            f"INSERT INTO public.orders VALUES ({number}, '{seen}', '{name}') "
            "ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, name = excluded.name"
        )

    def copies(self) -> list[tuple[int, str]]:
        return self.sql("SELECT id, name FROM public.copies ORDER BY id, name")

    def backfill(self, *more: str, expect: int = 0, failpoint: str = "") -> dict[str, Any]:
        done = self.run(*DAY, *more, "--json", failpoint=failpoint)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if done.stdout else {}

    def cursor(self) -> Any:
        return json.loads(self.run("cursor", "show", "orders", "--json").stdout)


@pytest.fixture
def shop(tmp_path, postgres):
    """Four days, the second with ties at both ends; all were read by a live run."""
    shop = Shop.over(tmp_path, postgres)
    moments = ["2024-01-01 12:00Z", "2024-01-02 00:00Z", "2024-01-02 00:00Z", "2024-01-03 00:00Z", "2024-01-04 12:00Z"]
    for number, seen in enumerate(moments, start=1):
        shop.put(number, seen)
    assert shop.report("orders")["delivered"] == 5
    return shop


def test_it_reads_its_interval_and_the_live_cursor_stays(shop):
    shop.put(6, "2024-01-02 18:00Z", "late")
    shop.sql("UPDATE public.orders SET name = 'mended' WHERE id IN (2, 4)")
    assert shop.report("orders")["state"] == "nothing_new"
    before = shop.cursor()
    report = shop.backfill()
    assert (report["kind"], report["interval"], report["state"]) == ("backfill", ["2024-01-02", "2024-01-03"], "done")
    assert (report["read"], report["delivered"], report["balanced"]) == (3, 3, True)
    assert shop.copies() == [(1, "first"), (2, "mended"), (3, "first"), (4, "first"), (5, "first"), (6, "late")]
    assert shop.cursor() == before
    shop.put(7, "2024-01-05 00:00Z")
    live = shop.report("orders")
    assert (live["kind"], live["interval"], live["read"]) == ("live", None, 1)


def test_once_more_it_gives_the_same_and_an_empty_interval_is_nothing_new(shop):
    first, second = shop.backfill(), shop.backfill()
    assert first["run_id"] != second["run_id"]
    assert (second["read"], len(shop.copies())) == (2, 5)
    done = shop.run("run", "orders", "--from", "2023-01-01", "--to", "2023-02-01", "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "nothing_new")


def test_one_that_did_not_end_is_continued_by_the_same_interval_alone(shop):
    shop.backfill(expect=-9, failpoint="extract.sealed:1:kill")
    shop.put(7, "2024-01-05 00:00Z")
    live = shop.report("orders")
    assert (live["kind"], live["read"], live["tries"], "recovered" in live) == ("live", 1, 1, False)
    other = json.loads(shop.run("run", "orders", "--from", "2024-01-01", "--to", "2024-01-02", "--json").stdout)
    assert (other["read"], other["tries"]) == (1, 1)
    assert shop.backfill()["tries"] == 2
    assert shop.backfill()["tries"] == 1


def test_a_live_run_that_did_not_end_waits_while_a_backfill_runs(shop):
    shop.put(7, "2024-01-05 00:00Z")
    assert shop.run("run", "orders", failpoint="extract.sealed:1:kill").returncode == -9
    assert shop.backfill()["tries"] == 1
    live = shop.report("orders")
    assert live["recovered"][0]["tries"] == 2
    assert (7, "first") in shop.copies()


def test_what_was_staged_before_another_run_delivered_is_read_anew(shop):
    shop.backfill(expect=-9, failpoint="extract.sealed:1:kill")
    shop.put(2, "2024-01-05 00:00Z", "newer")
    assert shop.report("orders")["delivered"] == 1
    report = shop.backfill()
    assert (report["tries"], report["read"]) == (2, 1)
    assert (2, "newer") in shop.copies()


def test_a_live_run_does_not_put_back_what_a_backfill_has_mended(shop):
    shop.put(7, "2024-01-02 05:00Z", "old")
    shop.put(8, "2024-01-05 00:00Z", "old")
    shop.run("cursor", "set", "orders", "2024-01-02")
    assert shop.run("run", "orders", failpoint="extract.sealed:1:kill").returncode == -9
    shop.sql("UPDATE public.orders SET name = 'mended' WHERE id = 7")
    shop.backfill()
    assert shop.report("orders")["recovered"][0]["state"] == "done"
    assert (7, "mended") in shop.copies()
    assert (8, "old") in shop.copies()


def test_one_that_stopped_in_mid_delivery_goes_first(shop):
    shop.backfill(expect=-9, failpoint="deliver.prepared:1:kill")
    shop.put(7, "2024-01-05 00:00Z")
    done = shop.run("run", "orders", "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["error"] == "run.other_first"
    command, _, _ = said["next"].partition(" finishes it")
    assert shop.run(*command.split()[1:]).returncode == 0
    assert shop.report("orders")["read"] == 1


def test_a_held_one_is_accepted_as_what_it_is(tmp_path, postgres):
    fields = "translate: {fields: {id: {from: id, type: integer}, name: {from: name, check: \"name <> 'bad'\"}}}"
    shop = Shop.over(tmp_path, postgres, SOURCE, fields, UPSERT, "policy: {max_rejects: {count: 0}}")
    shop.put(1, "2024-01-02 10:00Z", "bad")
    shop.put(2, "2024-01-02 11:00Z")
    shop.put(3, "2024-01-09 11:00Z")
    held = shop.backfill(expect=1)
    assert held["state"] == "held"
    accepted = shop.run("accept", held["run_id"], "--json")
    report = json.loads(accepted.stdout)
    assert (accepted.returncode, report["kind"], report["delivered"], report["rejected"]) == (0, "backfill", 1, 1)
    assert shop.cursor()[0]["value"] == ""


def test_an_append_is_not_doubled_unless_it_is_asked_for(tmp_path, postgres):
    shop = Shop.over(tmp_path, postgres, SOURCE, APPEND)
    shop.put(1, "2024-01-02 10:00Z")
    assert shop.backfill()["delivered"] == 1
    for start, end in (("2024-01-02", "2024-01-03"), ("2024-01-01T00:00:00Z", "2024-01-02T12:00:00Z")):
        done = shop.run("run", "orders", "--from", start, "--to", end, "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]) == (2, "backfill.twice")
    before = shop.run("run", "orders", "--from", "2024-01-01", "--to", "2024-01-02", "--json")
    assert json.loads(before.stdout)["state"] == "nothing_new"
    assert len(shop.copies()) == 1
    assert shop.backfill("--again")["delivered"] == 1
    assert len(shop.copies()) == 2


def test_an_append_after_a_live_run_asks_too(tmp_path, postgres):
    shop = Shop.over(tmp_path, postgres, SOURCE, APPEND)
    shop.put(1, "2024-01-02 10:00Z")
    shop.report("orders")
    refused = shop.backfill(expect=2)
    assert refused["error"] == "backfill.twice"
    assert "live runs have delivered" in refused["message"]
    assert len(shop.copies()) == 1


@pytest.mark.parametrize(
    ("lines", "words", "code"),
    [
        ((SOURCE.replace(", cursor: {column: seen, id: id}", ""), UPSERT), DAY, "backfill.no_cursor"),
        (("source: {connector: files, connection: inbox, path: a.csv}", UPSERT), DAY, "backfill.connector"),
        ((SOURCE, UPSERT.replace("upsert, key: [id]", "replace")), DAY, "backfill.replace"),
        ((SOURCE, UPSERT), DAY[:4], "backfill.half"),
        ((SOURCE, UPSERT), ("run", "orders", "--again"), "backfill.half"),
        ((SOURCE, UPSERT), ("run", "orders", "--from", "2024-01-03", "--to", "2024-01-02"), "backfill.interval"),
        ((SOURCE, UPSERT), ("run", "orders", "--from", "tuesday", "--to", "2024-01-02"), "backfill.bound"),
    ],
)
def test_what_cannot_be_backfilled_is_told_and_changes_nothing(lines, words, code, tmp_path, postgres):
    shop = Shop.over(tmp_path, postgres, *lines)
    done = shop.run(*words, "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]) == (2, code), done.stderr
    listed = json.loads(shop.run("runs", "orders", "--json").stdout)
    assert all(run["closed_at"] and run["state"] == "failed" for run in listed)


class TestTheCursor:
    """Shown, set and reset by a person."""

    def test_set_reads_from_the_value_on_with_its_ties(self, shop):
        assert [row["value"] for row in shop.cursor()] == ["2024-01-04 12:00:00+00"]
        done = shop.run("cursor", "set", "orders", "2024-01-02", "--json")
        assert json.loads(done.stdout) == [{"node": "source", "value": "2024-01-02", "id": "", "moved_by": "a person"}]
        assert shop.report("orders")["read"] == 4
        assert shop.report("orders")["state"] == "nothing_new"
        assert shop.cursor()[0]["id"] == "5"

    def test_set_behind_the_last_record_waits_there(self, shop):
        shop.run("cursor", "set", "orders", "2024-02-01")
        assert shop.report("orders")["state"] == "nothing_new"
        shop.put(8, "2024-02-01 00:00Z")
        assert shop.report("orders")["read"] == 1
        assert shop.report("orders")["state"] == "nothing_new"

    def test_reset_reads_all_and_the_audit_knows_who(self, shop):
        assert shop.run("cursor", "reset", "orders").returncode == 0
        assert shop.cursor()[0]["value"] == ""
        assert shop.report("orders")["read"] == 5

    def test_while_a_run_has_not_ended_it_stays(self, shop):
        shop.put(8, "2024-02-01 00:00Z")
        shop.run("run", "orders", failpoint="extract.sealed:1:kill")
        done = shop.run("cursor", "reset", "orders", "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]) == (1, "cursor.run_unfinished")

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (("set", "orders"), "cursor.no_value"),
            (("set", "orders", ""), "cursor.no_value"),
            (("show", "orders", "1"), "cursor.value"),
            (("show", "orders", "--node", "elsewhere"), "cursor.none"),
        ],
    )
    def test_wrong_words_are_told(self, words, code, shop):
        done = shop.run("cursor", *words, "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]) == (2, code)


def test_step_by_step_what_was_staged_too_early_is_read_anew_before_it_is_delivered(shop, monkeypatch):
    """The tasks of a DAG run are steps of their own; another run may come between two of them."""
    for name, value in shop.environment().items():
        monkeypatch.setenv(name, value)
    flow, place = find_flow("orders", shop.folder / "integrations"), open_workplace()
    asked = {"trigger": "orders/backfill__1", "backfill": Backfill("2024-01-02", "2024-01-03")}
    try:
        run_id = extract(flow, place, "source", **asked)["run_id"]
        shop.put(2, "2024-01-02 00:00Z", "newer")
        shop.put(7, "2024-01-05 00:00Z")
        assert run(flow, place)["kind"] == "live"
        assert shop.backfill("--again")["run_id"] == run_id
        shop.put(3, "2024-01-02 00:00Z", "newest")
        second = extract(flow, place, "source", **asked | {"trigger": "orders/backfill__2"})["run_id"]
        shop.put(3, "2024-01-02 00:00Z", "newest of all")
        shop.put(8, "2024-01-06 00:00Z")
        assert run(flow, place)["delivered"] == 1
        sent = deliver(flow, place, "deliver", run_id=second, **asked)
        assert sent["nodes"]["deliver"]["delivered"] == 2
        report = reconcile(flow, place, run_id=second, **asked)
    finally:
        place.close()
    assert (report["state"], report["interval"]) == ("done", ("2024-01-02", "2024-01-03"))
    assert [name for number, name in shop.copies() if number in {2, 3}] == ["newer", "newest of all"]
