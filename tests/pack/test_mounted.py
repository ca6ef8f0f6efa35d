"""The folders ``dags`` and ``plugins`` mounted as they stand, without the package installed."""

import json
import sqlite3

from pack.environment import add_orders


def test_they_deliver_and_only_the_connection_forms_are_missing(bare_site, tree):
    site = bare_site
    add_orders(site)
    site.environ |= {
        "PYTHONPATH": str(tree / "plugins"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(tree / "plugins"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tree / "dags"),
        "DRAGOMAN_INTEGRATIONS": str(site.home / "dags" / "integrations"),
        "AIRFLOW_CONN_INBOX": f"file://{site.root}/inbox",
        "AIRFLOW_CONN_ERP": f"sqlite:///{site.root}/erp.db",
    }
    site.run("airflow", "db", "migrate")
    front = tree / "dags" / "integrations.py"
    seen = site.look("package", "hooks", f"dags,{front}", f"run,{front},orders")
    assert seen["package"] == str(tree / "plugins" / "dragoman")
    assert seen["dags"] == {"dags": {"orders": ["extract", "deliver", "reconcile"]}, "errors": {}}
    assert seen["run"] == "success"
    with sqlite3.connect(site.root / "erp.db") as erp:
        assert erp.execute("select count(*) from orders").fetchall() == [(2,)]
    assert "duckdb" not in seen["hooks"]
    said = site.run("python", "-m", "dragoman.cli", "runs", "orders", "--json")
    assert "'delivered': 2" in str(json.loads(said))
