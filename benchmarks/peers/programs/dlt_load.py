"""dlt: a table of PostgreSQL into another one, incrementally, as its documentation shows it.

``PEER_KILL=point:table`` kills this process at a commit point of dlt's own loader, by wrapping the function that passes
there: the peer is not changed, only stopped.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

import dlt
from dlt.common.storages.load_package import PackageStorage
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.sources.sql_database import sql_table

POINTS = {
    "after_db_commit_before_marker": (PackageStorage, "save_pending_transition", "before"),
    "after_marker_before_move": (PackageStorage, "complete_job", "before"),
    "before_dlt_loads_row": (SqlJobClientBase, "complete_load", "before"),
    "after_dlt_loads_row": (SqlJobClientBase, "complete_load", "after"),
}


def arm(text: str) -> None:
    """Kill at a named point, the first time it is passed for a job of the table (if one is named)."""
    name, _, table = text.partition(":")
    owner, method, when = POINTS[name]
    original: Callable[..., Any] = getattr(owner, method)

    def passing(*words: Any, **named: Any) -> Any:
        mine = not table or any(isinstance(word, str) and word.startswith(f"{table}.") for word in words)
        if mine and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = original(*words, **named)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, method, passing)


def main() -> None:
    """One run of the pipeline."""
    if os.environ.get("PEER_KILL"):
        arm(os.environ["PEER_KILL"])
    mode = os.environ["PEER_MODE"]
    lag = os.environ.get("PEER_LAG")
    rows = sql_table(
        credentials=os.environ["PEER_SRC"].replace("postgresql:", "postgresql+psycopg2:"),
        table="orders",
        schema="public",
        incremental=dlt.sources.incremental("updated_at", **({"lag": float(lag)} if lag else {})),
        primary_key="id",
        write_disposition="merge" if mode == "keyed" else "append",
    )
    pipeline = dlt.pipeline(
        "orders",
        destination=dlt.destinations.postgres(os.environ["PEER_DST"]),
        dataset_name="landed",
        pipelines_dir=os.environ["PEER_HOME"],
    )
    pipeline.run(rows)


main()
