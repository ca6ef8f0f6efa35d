"""The body of a hand-written Airflow task: PostgresHook reads what is newer than the newest row, insert_rows writes it.

``PEER_KILL=after_commit:N`` kills this process after the Nth commit of the destination; ``last`` is the last one.
"""

import os
import signal
from typing import Any

from airflow.providers.postgres.hooks.postgres import PostgresHook

FIELDS = ["id", "updated_at", "amount"]


class Dying:
    """A connection of psycopg2 that kills the process after a commit."""

    def __init__(self, connection: Any, nth: str) -> None:
        self._connection = connection
        self._nth = nth
        self._done = 0

    def __getattr__(self, name: str) -> Any:
        """Everything else is the connection's own."""
        return getattr(self._connection, name)

    def commit(self) -> None:
        """Commit, and die where it was asked for."""
        self._connection.commit()
        self._done += 1
        if str(self._done) == self._nth:
            os.kill(os.getpid(), signal.SIGKILL)


class Destination(PostgresHook):
    """The hook, with that connection."""

    def get_conn(self) -> Any:
        """As the hook's own, wrapped where a kill was asked for."""
        connection = super().get_conn()
        point, _, nth = os.environ.get("PEER_KILL", "").partition(":")
        return Dying(connection, nth) if point == "after_commit" and nth != "last" else connection


def main() -> None:
    """One try of the task."""
    source, destination = PostgresHook(postgres_conn_id="peer_src"), Destination(postgres_conn_id="peer_dst")
    newest = PostgresHook(postgres_conn_id="peer_dst").get_first("SELECT max(updated_at) FROM landed.orders")[0]
    condition, values = ("WHERE updated_at > %s", (newest,)) if newest else ("", None)
    rows = source.get_records(f"SELECT {', '.join(FIELDS)} FROM orders {condition} ORDER BY updated_at", values)
    keyed = {"replace": True, "replace_index": ["id"]} if os.environ["PEER_MODE"] == "keyed" else {}
    destination.insert_rows("landed.orders", rows, target_fields=FIELDS, **keyed)
    if os.environ.get("PEER_KILL") == "after_commit:last":
        os.kill(os.getpid(), signal.SIGKILL)


main()
