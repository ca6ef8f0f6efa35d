"""dlt: a table sent to an API by a custom destination, posting with dlt's own client, as its documentation shows it."""

import os
from typing import Any

import dlt
from dlt.sources.helpers import requests
from dlt.sources.sql_database import sql_table


@dlt.destination(batch_size=50, name="api", naming_convention="direct", skip_dlt_columns_and_tables=True)
def api(items: list[dict[str, Any]], table: dict[str, Any]) -> None:  # noqa: ARG001 - dlt's signature
    """One batch; the client raises for statuses of errors, and tries again what may pass."""
    sent = [{"id": item["id"], "amount": item["amount"]} for item in items]
    requests.post(f"{os.environ['PEER_API']}/orders", json=sent).raise_for_status()


rows = sql_table(
    credentials=os.environ["PEER_SRC"].replace("postgresql:", "postgresql+psycopg2:"), table="orders", schema="public"
)
dlt.pipeline("send", destination=api, pipelines_dir=os.environ["PEER_HOME"]).run(rows)
