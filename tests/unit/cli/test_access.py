"""``dragoman check`` says where ``access:`` has no effect; ``dragoman access`` needs Airflow."""

import json

import pytest

from dragoman.cli.main import main

YAML = """\
integration: orders
source: {connector: files, connection: inbox, path: orders.csv}
deliver: {connector: files, connection: outbox, path: out.csv}
"""
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    for name in ("AIRFLOW__CORE__AUTH_MANAGER", "AIRFLOW_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "orders.yaml"
    path.write_text(YAML + "access: {sales: [read]}\n")
    return path


def warnings(capsys, file):
    capsys.readouterr()
    assert main(["check", str(file), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["warnings"]


def test_the_default_auth_manager_knows_no_rights(file, capsys):
    [warning] = warnings(capsys, file)
    assert "no effect with the auth manager SimpleAuthManager" in warning
    assert main(["check", str(file)]) == 0
    assert capsys.readouterr().out.startswith("warning: orders.yaml has access:")


def test_with_fab_or_without_access_there_is_nothing_to_say(file, tmp_path, capsys, monkeypatch):
    (tmp_path / "airflow.cfg").write_text(f"[core]\nauth_manager = {FAB}\n[logging]\nformat = %(message)s\n")
    assert warnings(capsys, file) == []
    (tmp_path / "airflow.cfg").write_text("no configuration at all")
    assert len(warnings(capsys, file)) == 1
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", FAB)
    assert warnings(capsys, file) == []
    monkeypatch.delenv("AIRFLOW__CORE__AUTH_MANAGER")
    file.write_text(YAML)
    assert warnings(capsys, file) == []


def test_rights_cannot_be_brought_where_no_airflow_is(capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dragoman.orchestration.rights.sync", None)
    assert main(["access", "sync"]) == 2
    assert "Airflow cannot be loaded here" in capsys.readouterr().err
