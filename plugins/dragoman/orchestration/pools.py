"""``policy.max_parallel``: a pool of Airflow for each connection, shared by all integrations that ask for one.

An integration that writes ``max_parallel: 4`` lets its extract and deliver tasks take a slot of the pool
``dragoman_<connection>``. Airflow never starts a task whose pool is missing, and neither the process that reads DAG
files nor a task can make one: so the scheduler makes it, the moment a run starts. A pool that is there is left as it
is: after the first run its size is whatever is set in Airflow (Admin, Pools).
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from airflow.listeners import hookimpl

__all__ = ["POOL_PREFIX", "PoolListener", "in_scheduler", "pool_of", "pools_are_made"]

POOL_PREFIX = "dragoman_"


def pool_of(connection: str) -> str:
    """The pool's name."""
    return f"{POOL_PREFIX}{connection}"


@cache
def pools_are_made() -> bool:
    """Whether Airflow finds the plugin that makes pools (in its folder or installed): else no task may name one."""
    from airflow.configuration import conf

    if (Path(conf.get_mandatory_value("core", "plugins_folder")) / "dragoman_plugin.py").is_file():
        return True
    try:
        points = distribution("dragoman").entry_points
    except PackageNotFoundError:
        return False
    return any(point.group == "airflow.plugins" for point in points)


def in_scheduler() -> bool:
    """Whether this process is Airflow's scheduler, the only one that needs the listener.

    Elsewhere it would do harm: Airflow refuses ``end_from_trigger`` operators where any listener is registered.
    """
    return "scheduler" in sys.argv[1:2]


class PoolListener:
    """Makes the pools of a run that starts, in the scheduler's own transaction."""

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:  # noqa: ARG002 - Airflow's signature
        """Called by the scheduler before the run's first task is considered."""
        dag = dag_run.dag
        wanted = {task.pool for task in dag.tasks if task.pool.startswith(POOL_PREFIX)} if dag else set()
        if wanted:
            _make_missing(dag_run, wanted, int(dag.params["max_parallel"]))


def _make_missing(dag_run: Any, wanted: set[str], slots: int) -> None:
    from airflow.models.pool import Pool
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    known = set(session.scalars(select(Pool.pool).where(Pool.pool.in_(wanted))))
    rows = [
        {
            "pool": name,
            "slots": slots,
            "description": f"Integrations with max_parallel on the connection {name.removeprefix(POOL_PREFIX)}",
            "include_deferred": False,
        }
        for name in sorted(wanted - known)
    ]
    if rows:
        session.execute(_insert_missing(session.get_bind().dialect.name, Pool), rows)


def _insert_missing(dialect: str, table: Any) -> Any:
    """One INSERT that lets a faster scheduler win: the session may neither commit nor roll back here."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        return postgres_insert(table).on_conflict_do_nothing()
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table).on_conflict_do_nothing()
    from sqlalchemy import insert

    return insert(table).prefix_with("IGNORE")
