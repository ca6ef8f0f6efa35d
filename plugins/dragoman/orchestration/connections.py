"""Connections inside Airflow: the environment first, then whatever stores Airflow has been given."""

from __future__ import annotations

import sys
from typing import Any

from dragoman.core.connection import Connection, EnvironmentConnections, from_fields, unknown_connection
from dragoman.core.errors import ConfigError, RetriableError

__all__ = ["AirflowConnections"]

_SUPERVISED = "airflow.sdk.execution_time.task_runner"


class AirflowConnections:
    """The connection store of tasks and of the web routes; in a task Airflow's supervisor answers for the store."""

    def get(self, conn_id: str) -> Connection:
        """The connection; ``ConfigError`` ``connection.unknown`` names every place that was searched.

        Raises ``RetriableError`` ``connection.unavailable`` where Airflow could not be asked.
        """
        found = self.find(conn_id)
        if found is None:
            raise _unknown(conn_id)
        return found

    @staticmethod
    def find(conn_id: str) -> Connection | None:
        """The connection, or None where no place has it; raises as ``get`` does where Airflow could not be asked."""
        found = EnvironmentConnections.find(conn_id)
        return found if found is not None else _from_airflow(conn_id)


def _from_airflow(conn_id: str) -> Connection | None:
    from airflow.sdk import Connection as AirflowConnection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = AirflowConnection.get(conn_id)
    except AirflowNotFoundException as error:
        if _is_known_to_be_absent(conn_id):
            return None
        unknown = _unknown(conn_id)
        raise RetriableError(
            "connection.unavailable",
            f"{unknown.message}; but Airflow's API server did not answer, so the connection may be there all the same",
            next_step="nothing, if the API server is restarting: the task is tried again; else look at its log. "
            f"If there is no such connection: {unknown.next_step}",
        ) from error
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


def _is_known_to_be_absent(conn_id: str) -> bool:
    """Whether the store itself has said so, and not only Airflow's SDK.

    The SDK takes each failure of its store (an API server that restarts, a database that is down) for "not found". In
    a task the supervisor is asked once more, whose answer tells the two apart; elsewhere the store is a database at
    hand, and its word is taken.
    """
    comms = getattr(sys.modules.get(_SUPERVISED), "SUPERVISOR_COMMS", None)
    return comms is None or _answer_is_absent(comms, conn_id)


def _answer_is_absent(comms: Any, conn_id: str) -> bool:
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse, GetConnection

    try:
        answer = comms.send(GetConnection(conn_id=conn_id))
    except AirflowRuntimeError as error:
        answer = error.error
    except (OSError, EOFError):  # the supervisor itself is gone
        return False
    return isinstance(answer, ErrorResponse) and answer.error == ErrorType.CONNECTION_NOT_FOUND


def _unknown(conn_id: str) -> ConfigError:
    return unknown_connection(conn_id, "neither Airflow's secrets backends nor its own store knows it")
