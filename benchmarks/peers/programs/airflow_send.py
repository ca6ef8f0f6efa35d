"""The body of a hand-written Airflow task: HttpHook posts batch by batch, and a status of 4xx or 5xx fails the task."""

import json
import os

from airflow.providers.http.hooks.http import HttpHook
from airflow.providers.postgres.hooks.postgres import PostgresHook

SIZE = 50


def main() -> None:
    """One try of the task."""
    rows = PostgresHook(postgres_conn_id="peer_src").get_records("SELECT id, amount FROM orders ORDER BY id")
    hook = HttpHook(method="POST", http_conn_id="peer_api")
    for at in range(0, len(rows), SIZE):
        batch = [{"id": row[0], "amount": row[1]} for row in rows[at : at + SIZE]]
        hook.run(
            "orders",
            data=json.dumps(batch),
            headers={"Content-Type": "application/json"},
            extra_options={"timeout": float(os.environ["PEER_TIMEOUT"])},
        )


main()
