"""Connections inside Airflow: the environment first, then whatever stores Airflow has been given."""

from __future__ import annotations

from dragoman.core.connection import Connection, EnvironmentConnections, from_fields, unknown_connection

__all__ = ["AirflowConnections"]


class AirflowConnections:
    """The connection store of tasks and of the web routes; in a task Airflow's supervisor answers for the store."""

    def get(self, conn_id: str) -> Connection:
        """The connection; ``ConfigError`` ``connection.unknown`` names every place that was searched."""
        found = self.find(conn_id)
        if found is None:
            raise unknown_connection(conn_id, "neither Airflow's secrets backends nor its own store knows it")
        return found

    @staticmethod
    def find(conn_id: str) -> Connection | None:
        """The connection, or None where no place has it."""
        found = EnvironmentConnections.find(conn_id)
        return found if found is not None else _from_airflow(conn_id)


def _from_airflow(conn_id: str) -> Connection | None:
    from airflow.sdk import Connection as AirflowConnection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = AirflowConnection.get(conn_id)
    except AirflowNotFoundException:
        return None
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
