"""What integrations ask for, read from the DAGs as Airflow has stored them.

Any front door, shard or bundle ends there, so nobody has to know the folders; and reading DAG files again changes
nothing, for nothing is kept with them. Needs Airflow's own database: not for tasks, not for DAG files.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from sqlalchemy import exists, func, select

from dragoman.orchestration.rights.words import ACCESS_PARAM, read_access

__all__ = ["declared_access", "state_of_dags"]

_TAG = "dragoman"


def state_of_dags(session: Any) -> tuple[Any, ...]:
    """Something small that is another one after any change of any DAG."""
    from airflow.models.serialized_dag import SerializedDagModel as Stored

    return tuple(session.execute(select(func.count(), func.max(Stored.last_updated))).one())


def declared_access(session: Any) -> dict[str, dict[str, list[str]]]:
    """``access:`` by DAG id, as the newest version of each DAG has it; integrations without it are absent.

    A DAG whose file is gone keeps its rights as long as Airflow keeps the DAG: its runs can still be looked at.
    """
    from airflow.models.dag import DagTag
    from airflow.models.dag_version import DagVersion
    from airflow.models.serialized_dag import SerializedDagModel as Stored

    newest = (
        select(DagVersion.dag_id, func.max(DagVersion.version_number).label("number"))
        .where(exists().where(DagTag.dag_id == DagVersion.dag_id, DagTag.name == _TAG))
        .group_by(DagVersion.dag_id)
        .subquery()
    )
    query = (
        select(Stored.dag_id, Stored._data["dag"]["params"], Stored._data_compressed)
        .join(DagVersion, Stored.dag_version_id == DagVersion.id)
        .join(newest, (newest.c.dag_id == DagVersion.dag_id) & (newest.c.number == DagVersion.version_number))
    )
    found = {}
    for dag_id, params, compressed in session.execute(query):
        if compressed is not None:
            params = json.loads(zlib.decompress(compressed))["dag"].get("params")  # noqa: PLW2901 - the same thing
        access = _access(params)
        if access:
            found[dag_id] = access
    return found


def _access(params: Any) -> dict[str, list[str]] | None:
    """Serialised parameters are pairs of a name and a map; ``default`` is the value."""
    for name, param in params or ():
        if name == ACCESS_PARAM and isinstance(param, dict) and isinstance(param.get("default"), str):
            return read_access(param["default"])
    return None
