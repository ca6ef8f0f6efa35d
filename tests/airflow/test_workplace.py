"""Where a task's ledger and stage are, and which places are refused."""

import pytest

from dragoman.core.errors import ConfigError, RetriableError
from dragoman.orchestration.connections import AirflowConnections
from dragoman.orchestration.workplace import opened_workplace


def test_without_a_connection_the_ledger_is_a_file_in_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    with opened_workplace("test") as place:
        assert place.ledger.runs() == []
    assert (tmp_path / "ledger.db").exists()


def test_the_connection_names_the_ledger(tmp_path, monkeypatch, connect, postgres):
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    connect("dragoman_ledger", postgres)
    with opened_workplace("test") as place:
        assert place.ledger.runs() == []
    assert not (tmp_path / "ledger.db").exists()


@pytest.mark.parametrize("executor", ["CeleryExecutor", "LocalExecutor,KubernetesExecutor"])
def test_several_machines_need_a_shared_ledger_and_stage(tmp_path, monkeypatch, connect, postgres, executor):
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    with pytest.raises(ConfigError, match="DRAGOMAN_LEDGER") as error, opened_workplace("test"):
        pass
    assert error.value.code == "ledger.one_machine"
    connect("dragoman_ledger", postgres)
    with pytest.raises(ConfigError, match="DRAGOMAN_STAGE") as error, opened_workplace("test"):
        pass
    assert error.value.code == "stage.one_machine"
    monkeypatch.setenv("DRAGOMAN_STAGE", str(tmp_path / "shared"))
    with opened_workplace("test") as place:
        assert place.stage.url == str(tmp_path / "shared")


def test_the_environment_is_asked_first_then_airflows_store(airflow_db, connect, monkeypatch):
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Connection(conn_id="stored", conn_type="http", host="https://api.example", password="secret-word"))
    found = AirflowConnections().get("stored")
    assert (found.conn_type, found.scheme, found.host, found.password) == (
        "http",
        "https",
        "api.example",
        "secret-word",
    )
    connect("stored", "http://elsewhere")
    assert AirflowConnections().get("stored").host == "elsewhere"


def test_an_unknown_connection_lists_every_place(airflow_db):
    with pytest.raises(ConfigError, match="AIRFLOW_CONN_NOWHERE") as error:
        AirflowConnections().get("nowhere")
    assert "Airflow's secrets backends" in str(error.value)


class Supervisor:
    """What answers a task's questions, in place of a real one with a real API server (tests/cluster has both)."""

    def __init__(self, answer):
        self.answer = answer

    def send(self, message):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def answered(kind):
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse

    return ErrorResponse(error=ErrorType(kind), detail={"conn_id": "erp"})


def test_a_store_that_does_not_answer_is_not_one_that_has_nothing(airflow_db, monkeypatch):
    import airflow.sdk.execution_time.task_runner as runner
    from airflow.sdk.exceptions import AirflowRuntimeError

    def ask(answer):
        monkeypatch.setattr(runner, "SUPERVISOR_COMMS", Supervisor(answer), raising=False)
        AirflowConnections().get("erp")

    with pytest.raises(ConfigError, match="AIRFLOW_CONN_ERP") as error:
        ask(answered("CONNECTION_NOT_FOUND"))
    assert error.value.code == "connection.unknown"
    for failure in (AirflowRuntimeError(answered("API_SERVER_ERROR")), answered("GENERIC_ERROR"), EOFError()):
        with pytest.raises(RetriableError, match="API server did not answer") as outage:
            ask(failure)
        assert outage.value.code == "connection.unavailable"
        assert "AIRFLOW_CONN_ERP" in str(outage.value)


def test_a_ledger_that_may_be_there_is_not_replaced_by_a_file(airflow_db, tmp_path, monkeypatch):
    import airflow.sdk.execution_time.task_runner as runner
    from airflow.sdk.exceptions import AirflowRuntimeError

    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    outage = AirflowRuntimeError(answered("API_SERVER_ERROR"))
    monkeypatch.setattr(runner, "SUPERVISOR_COMMS", Supervisor(outage), raising=False)
    with pytest.raises(RetriableError, match="dragoman_ledger"), opened_workplace("test"):
        pass
    assert not (tmp_path / "home").exists()
