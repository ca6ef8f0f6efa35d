"""The workplace of an Airflow task: where its ledger and stage are, and when that place cannot serve all workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dragoman.core.errors import ConfigError
from dragoman.orchestration.connections import AirflowConnections
from dragoman.steps.workplace import LEDGER_CONNECTION, Workplace, ledger_url_of, open_workplace

__all__ = ["opened_workplace"]

ONE_MACHINE = frozenset({"LocalExecutor", "SequentialExecutor"})


@contextmanager
def opened_workplace(actor: str) -> Iterator[Workplace]:
    """Ledger from the connection ``dragoman_ledger``, else SQLite in the home; closed on the way out.

    Raises ``ConfigError`` ``ledger.one_machine`` or ``stage.one_machine`` where Airflow's workers may run on several
    machines and the ledger or the stage lies on the disk of one.
    """
    connections = AirflowConnections()
    named = connections.find(LEDGER_CONNECTION)
    url = ledger_url_of(named) if named else ""
    _refuse_one_machine(url)
    place = open_workplace(connections, actor=actor, ledger_url=url)
    try:
        yield place
    finally:
        place.close()


def _refuse_one_machine(ledger_url: str) -> None:
    spread = [name for name in _executors() if name not in ONE_MACHINE]
    if not spread:
        return
    if not ledger_url or ledger_url.startswith("sqlite"):
        raise ConfigError(
            "ledger.one_machine",
            f"{spread[0]} may run tasks on several machines, and the ledger is a SQLite file of one",
            next_step="set AIRFLOW_CONN_DRAGOMAN_LEDGER=postgresql://user:pass@host:5432/database for every component",
        )
    if not os.environ.get("DRAGOMAN_STAGE"):
        raise ConfigError(
            "stage.one_machine",
            f"{spread[0]} may run tasks on several machines, and the stage is a folder of this one",
            next_step="set DRAGOMAN_STAGE for every component to a folder or URL that all of them share, "
            "such as /mnt/shared/stage or s3://bucket/stage",
        )


def _executors() -> list[str]:
    """The configured executors' class names, without module, alias and team."""
    from airflow.configuration import conf

    parts = str(conf.get("core", "executor")).replace(";", ",").split(",")
    return [part.rpartition(":")[2].rpartition("=")[2].rpartition(".")[2].strip() for part in parts if part.strip()]
