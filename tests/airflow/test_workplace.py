"""Where a task's ledger and stage are, and which places are refused."""

import pytest

from dragoman.core.errors import ConfigError
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
