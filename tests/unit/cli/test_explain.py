import json

import pytest

from dragoman.cli.main import main

TEXT = """\
integration: report
title: A report
schedule: "0 6 * * *"
sources:
  orders: {connector: postgres, connection: shop, table: orders}
  customers: {connector: postgres, connection: crm, table: customers}
translations:
  named: {from: orders, lookups: {customer: {from: customers, on: {id: customer_id}}}, fields: {id: id, name: customer.name, total: {from: total, type: "decimal(12,2)"}}}
deliveries:
  out: {from: named, connector: sqlite, connection: out, table: report, key: [id]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRAGOMAN_INTEGRATIONS", str(tmp_path))
    (tmp_path / "report.yaml").write_text(TEXT)


def test_text(capsys):
    assert main(["explain", "report"]) == 0
    out = capsys.readouterr().out
    assert "report: A report" in out
    assert "deliver after extract_orders, extract_customers" in out
    assert "exact(total AS decimal(12,2)) AS total" in out
    assert "delivery out of named: upsert by id, sqlite out (table report)" in out
    assert "Effectively once" in out
    assert "source customers: postgres crm (table customers) (only for lookups)" in out


def test_json(capsys):
    assert main(["explain", "report", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [task["task"] for task in said["tasks"]] == ["extract_orders", "extract_customers", "deliver", "reconcile"]
    assert said["schedule"] == "0 6 * * * (UTC)"
    (translation,) = said["translations"]
    assert translation["sql"].startswith("SELECT")
    assert said["deliveries"][0]["key"] == ["id"]


def test_an_unknown_name(capsys):
    assert main(["explain", "reprot"]) == 2
    assert "did you mean 'report'?" in capsys.readouterr().err


def test_schema_is_json(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].endswith("2020-12/schema")
