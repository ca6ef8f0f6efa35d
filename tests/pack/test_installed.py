"""The wheel in a plain Airflow: no pin changes, three lines and a YAML file deliver."""

import json
import re
import sqlite3

import yaml

from dragoman.language import compile_definition
from pack.environment import FRONT_DOOR, TOP


def test_nothing_that_was_there_is_changed(site, pins_before):
    after = site.pins()
    assert {name: after.get(name) for name in pins_before} == pins_before
    assert "dragoman" in after
    assert len(after) - len(pins_before) <= 10


def test_three_lines_and_a_file_deliver_a_record(database):
    site = database
    assert len([line for line in FRONT_DOOR.splitlines() if line]) == 3
    folder = site.home / "dags"
    seen = site.look("package", "hooks", f"dags,{folder}", f"run,{folder},orders")
    assert seen["package"].startswith(str(site.root / "venv"))
    assert seen["dags"] == {"dags": {"orders": ["extract", "deliver", "reconcile"]}, "errors": {}}
    assert seen["run"] == "success"
    with sqlite3.connect(site.root / "erp.db") as erp:
        assert erp.execute("select id, amount from orders order by id").fetchall() == [(1, "12.50"), (2, "7.00")]
    for kind in ("file", "s3", "sqlite", "duckdb", "postgres", "http"):
        assert seen["hooks"][kind].startswith("dragoman.orchestration.hooks."), kind
    listed = json.loads(site.run("dragoman", "runs", "orders", "--json"))
    assert "'delivered': 2" in str(listed)


def test_the_page_shows_the_same_three_lines():
    page = (TOP / "docs" / "install.md").read_text()
    assert f"```python\n{FRONT_DOOR}```" in page
    (integration,) = re.findall(r"^```yaml\n(integration: .*?)^```", page, re.M | re.S)
    assert compile_definition(yaml.safe_load(integration), origin="install.md").integration == "my_orders"
