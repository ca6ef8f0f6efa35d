"""Connections for the command line: the environment first, Airflow's own store only when it must be asked.

Importing Airflow costs seconds, so it happens only for a connection that the environment does not hold. This is the
one module of the command line that knows Airflow.
"""

from __future__ import annotations

import importlib
from typing import Any

from dragoman.core.connection import (
    Connection,
    ConnectionStore,
    EnvironmentConnections,
    from_fields,
    unknown_connection,
)

__all__ = ["connection_store"]


class _EnvironmentThenAirflow:
    def get(self, conn_id: str) -> Connection:
        found = EnvironmentConnections.find(conn_id)
        return found if found is not None else _from_airflow(conn_id)


def connection_store() -> ConnectionStore:
    """The store that every verb uses."""
    return _EnvironmentThenAirflow()


def _from_airflow(conn_id: str) -> Connection:
    try:
        models: Any = importlib.import_module("airflow.models.connection")
        exceptions: Any = importlib.import_module("airflow.exceptions")
        database: Any = importlib.import_module("sqlalchemy.exc")
    except ImportError:
        raise unknown_connection(conn_id, "Airflow is not installed here") from None
    try:
        found = models.Connection.get_connection_from_secrets(conn_id)
    except exceptions.AirflowNotFoundException:
        raise unknown_connection(conn_id, "neither has Airflow's store") from None
    except database.SQLAlchemyError:
        raise unknown_connection(conn_id, "Airflow's database could not be read (airflow db migrate?)") from None
    return from_fields(
        conn_id,
        conn_type=found.conn_type or "",
        host=found.host,
        port=found.port,
        login=found.login,
        password=found.password,
        schema=found.schema,
        extra=found.extra_dejson,
    )
