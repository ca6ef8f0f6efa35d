"""An example for those who write DAGs by hand: Dragoman's operators between tasks of one's own.

The integration stands inline here; ``integration="name"`` and ``file="path.yaml"`` do as well. It reads the connection
``samples`` (a folder with ``customers.csv``) and writes to ``outbox`` (a folder).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from dragoman.core.home import dragoman_home
from dragoman.orchestration.operators import DeliverOperator, ExtractOperator, ReconcileOperator, TranslateOperator

SAMPLES = Path(__file__).parent.parent / "include" / "samples"
CUSTOMERS = {
    "integration": "example_customers",
    "source": {"connector": "files", "connection": "samples", "path": "customers.csv", "reread": "always"},
    "translate": {
        "filter": "country is not null",
        "fields": {
            "customer_id": {"from": "customer_id", "required": True},
            "company": {"from": "trim(company)", "required": True},
            "country": "upper(country)",
        },
    },
    "deliver": {"connector": "files", "connection": "outbox", "path": "customers.ndjson", "mode": "replace"},
}

with DAG(
    "example_operators",
    description="Dragoman's operators in a DAG written by hand",
    schedule=None,
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["dragoman", "example"],
):
    extract = ExtractOperator(task_id="extract", definition=CUSTOMERS)
    deliver = DeliverOperator(task_id="deliver", definition=CUSTOMERS)
    reconcile = ReconcileOperator(task_id="reconcile", definition=CUSTOMERS)

    @task
    def tell(report: dict[str, Any]) -> str:
        """A task of one's own that uses the run's figures."""
        return f"{report['delivered']} of {report['read']} customers delivered"

    extract >> deliver >> reconcile
    tell(reconcile.output)

    TranslateOperator(
        task_id="json_to_ndjson",
        path=str(SAMPLES / "orders.json"),
        to=str(dragoman_home() / "examples" / "orders-{{ run_id | replace(':', '') }}.ndjson"),
    )
