"""A role that may write the table and not keep the proof: what it is promised is said, and no more is promised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from workshop import Workshop

ROLE = "loader_without_rights"
PLACES = {
    "no right to make it": ("", ""),
    "a schema without rights": ("CREATE SCHEMA proofs", "proofs"),
    "a schema without the right to make tables": (
        f"CREATE SCHEMA proofs; GRANT USAGE ON SCHEMA proofs TO {ROLE}",
        "proofs",
    ),
    "a table without rights": (
        "CREATE TABLE public._dragoman_delivery (integration text, delivery text, batch_id text, run_id text, "
        "token bigint, rows bigint, cursors text, applied_at timestamptz)",
        "",
    ),
    "a table that may only be read": (
        "CREATE TABLE public._dragoman_delivery (integration text, delivery text, batch_id text, run_id text, "
        f"token bigint, rows bigint, cursors text, applied_at timestamptz); GRANT SELECT ON public._dragoman_delivery TO {ROLE}",
        "",
    ),
}


def sql(url: str, text: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as server:
        cursor = server.execute(text)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def shop(tmp_path: Path, postgres: str) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    made.connections["admin"] = postgres
    made.connections["pg"] = postgres.replace("dragoman@", f"{ROLE}@")
    sql(postgres, f"CREATE ROLE {ROLE} LOGIN")
    sql(postgres, "CREATE TABLE public.t (id bigint PRIMARY KEY, name text)")
    sql(postgres, f"GRANT SELECT, INSERT, UPDATE, DELETE ON public.t TO {ROLE}")
    sql(postgres, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    yield made
    sql(postgres, f"DROP OWNED BY {ROLE}")
    sql(postgres, f"DROP ROLE {ROLE}")


def integration(shop: Workshop, mode: str, schema: str) -> None:
    (shop.folder / "inbox" / "a.csv").write_text("id,name\n1,a\n2,b\n")
    more = f", delivery_schema: {schema}" if schema else ""
    shop.integration(
        "orders",
        'integration: orders\nsource: {connector: files, connection: inbox, path: "*.csv", types: {id: integer}}\n'
        f"deliver: {{connector: postgres, connection: pg, table: public.t, mode: {mode}, key: [id]{more}}}\n",
    )


@pytest.mark.parametrize("place", PLACES)
def test_an_upsert_is_promised_the_same_final_state_and_an_append_is_refused(place: str, shop: Workshop) -> None:
    make, schema = PLACES[place]
    if make:
        sql(shop.connections["admin"], make)
    integration(shop, "append", schema)
    red = shop.run("run", "orders", "--json")
    said = json.loads(red.stdout)["error"]
    assert (red.returncode, said["code"]) == (1, "postgres.no_proof"), red.stdout
    assert said["next"].startswith("GRANT ") and ROLE in said["next"]
    assert sql(shop.connections["admin"], "SELECT count(*) FROM public.t") == [(0,)]

    integration(shop, "upsert", schema)
    assert shop.run("run", "orders", failpoint="deliver.committed:1:kill").returncode == -9
    report = shop.report("orders")
    report = report.get("recovered", [report])[0]
    assert (report["state"], report["delivered"], report["balanced"]) == ("done", 2, True)
    assert report["nodes"]["deliver"]["guarantee"].startswith("the same final state after retries")
    assert sql(shop.connections["admin"], "SELECT * FROM public.t ORDER BY id") == [(1, "a"), (2, "b")]

    (shop.folder / "inbox" / "b.csv").write_text("id,name\n2,c\n")
    told = shop.run("run", "orders")
    assert told.returncode == 0, told.stderr
    assert "deliver: the same final state after retries" in told.stdout
    assert "falls to 'the same final state after retries'" in told.stderr
    shown = shop.run("runs", "orders", "--json").stdout
    assert "unproven" in shown or "same final state" in shown
    assert "same final state after retries" in shop.run("explain", "orders").stdout


def test_the_full_promise_comes_back_with_the_right(shop: Workshop) -> None:
    integration(shop, "upsert", "")
    assert "guarantee" in shop.report("orders")["nodes"]["deliver"]
    sql(shop.connections["admin"], f"GRANT USAGE, CREATE ON SCHEMA public TO {ROLE}")
    (shop.folder / "inbox" / "b.csv").write_text("id,name\n3,c\n")
    assert "guarantee" not in shop.report("orders")["nodes"]["deliver"]
    assert sql(shop.connections["admin"], "SELECT count(*) FROM public._dragoman_delivery") == [(2,)]


def test_a_delivery_schema_that_is_not_there_is_said(shop: Workshop) -> None:
    integration(shop, "upsert", "nowhere")
    red = shop.run("run", "orders", "--json")
    said = json.loads(red.stdout)["error"]
    assert (red.returncode, said["code"]) == (1, "postgres.no_delivery_schema")
    assert 'CREATE SCHEMA "nowhere"' in said["next"]
