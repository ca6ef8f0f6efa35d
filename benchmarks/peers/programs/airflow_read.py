"""The body of a hand-written Airflow task: HttpHook asks page after page until one is short, and the rows are kept."""

import os

from airflow.providers.http.hooks.http import HttpHook
from airflow.providers.postgres.hooks.postgres import PostgresHook

SIZE = 100


def main() -> None:
    """One try of the task."""
    hook = HttpHook(method="GET", http_conn_id="peer_api")
    rows: list[tuple[str, int]] = []
    while True:
        asked = {"offset": len(rows), "limit": SIZE}
        answer = hook.run(
            "lists/orders/offset", data=asked, extra_options={"timeout": float(os.environ["PEER_TIMEOUT"])}
        )
        page = answer.json().get("data") or []
        rows += [(record["id"], record["amount"]) for record in page]
        if len(page) < SIZE:
            break
    destination = PostgresHook(postgres_conn_id="peer_dst")
    destination.insert_rows("landed.items", rows, target_fields=["id", "amount"], replace=True, replace_index=["id"])


main()
