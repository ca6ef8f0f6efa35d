"""What DAG files call: ``build`` gives the DAGs of a folder, ``raise_errors`` shows its broken files.

They are two files in ``dags/`` because an error raised in the first would take every DAG away.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import DAG

__all__ = ["build", "integrations_of_airflow", "raise_errors"]


def build(folder: str | Path | None = None, shard: int | None = None, of: int | None = None) -> dict[str, DAG]:
    """The DAGs of a folder of integrations, by their ids, for ``globals().update(...)``.

    Args:
        folder: the YAML files; else ``DRAGOMAN_INTEGRATIONS``, else ``integrations`` in Airflow's DAGs folder.
        shard: which part to build, from 0, where several DAG files share the work.
        of: how many parts there are.

    A task that starts gets its own DAG alone, built the same way.
    """
    from airflow.sdk import get_parsing_context

    from dragoman.orchestration.dag_factory import dag_of
    from dragoman.orchestration.shelf import one, shelf

    where = integrations_of_airflow(folder)
    wanted = get_parsing_context().dag_id
    if wanted:
        found = one(where, wanted)
        shelved = [found] if found else []
    else:
        shelved = shelf(where, shard, of)
    return {entry.flow.integration: dag_of(entry.flow, stale=entry.stale) for entry in shelved}


def raise_errors(folder: str | Path | None = None) -> None:
    """Raise one ``ConfigError`` with every mistake (file, line, column, what was found) in the folder; else nothing."""
    from airflow.sdk import get_parsing_context

    from dragoman.core.errors import ConfigError
    from dragoman.orchestration.shelf import broken

    if get_parsing_context().dag_id:
        return
    problems = broken(integrations_of_airflow(folder))
    if problems:
        raise ConfigError.of(problems)


def integrations_of_airflow(given: str | Path | None = None) -> Path:
    """The folder that the front door reads: the given one, else that of the environment, else that beside the DAGs."""
    if given is not None:
        return Path(given).expanduser().resolve()
    if not os.environ.get("DRAGOMAN_INTEGRATIONS"):
        from airflow.configuration import conf

        beside = Path(conf.get_mandatory_value("core", "dags_folder")) / "integrations"
        if beside.is_dir():
            return beside.resolve()
    from dragoman.core.home import integrations_folder

    return integrations_folder()
