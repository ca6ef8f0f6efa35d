import json

import pytest

from dragoman.cli.main import main

GOOD = "integration: {name}\nsource: {{connector: files, connection: inbox, path: a.csv}}\ndeliver: {{connector: sqlite, connection: out, table: t}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "integrations"
    folder.mkdir()
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRAGOMAN_INTEGRATIONS", str(folder))
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text(GOOD.format(name=name))
    (folder / "a").mkdir()
    (folder / "a" / "case.yaml").write_text("input: not an integration\n")
    return folder


def test_all_is_good(capsys):
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "2 integrations checked: all good\n"


def test_one_line_per_problem_and_a_summary(capsys, folder):
    (folder / "b.yaml").write_text(GOOD.format(name="b") + "titel: x\nowner: [x]\n")
    assert main(["check"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0].rpartition("/")[2] for line in lines[:-1]] == ["b.yaml:4:1", "b.yaml:5:8"]
    assert lines[-1] == "2 integrations checked: 2 problems in 1 file"


def test_json_alone_on_stdout(capsys, folder):
    (folder / "b.yaml").write_text("integration: b\n")
    assert main(["check", "--json", str(folder / "b.yaml")]) == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["checked"], said["ok"]) == (1, False)
    assert {(problem["code"], problem["line"], problem["found"]) for problem in said["problems"]} == {
        ("key.missing", 1, "source is missing"),
        ("key.missing", 1, "deliver is missing"),
    }


def test_a_missing_path_is_a_problem(capsys):
    assert main(["check", "none.yaml"]) == 2
    assert "none.yaml:1:1: no such file" in capsys.readouterr().out


def test_a_folder_is_walked(capsys, folder):
    assert main(["check", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"checked": 2, "ok": True, "problems": [], "warnings": []}


def test_connections_are_looked_up(capsys, monkeypatch, folder):
    monkeypatch.setenv("AIRFLOW_CONN_INBOX", "file:///tmp")
    monkeypatch.setenv("AIRFLOW_CONN_OUT", "postgresql://h/d")
    assert main(["check", "--connections", str(folder / "a.yaml"), "--json"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["code"], problem["line"], problem["column"]) == ("connection.wrong_type", 3, 42)
    assert problem["found"] == "connection 'out' of type 'postgres' for the connector 'sqlite'"
    monkeypatch.setenv("AIRFLOW_CONN_OUT", "sqlite:////tmp/x.db")
    assert main(["check", "--connections", str(folder / "a.yaml")]) == 0


def test_connections_of_alerts_are_looked_up(capsys, monkeypatch, folder):
    monkeypatch.setenv("AIRFLOW_CONN_INBOX", "file:///tmp")
    monkeypatch.setenv("AIRFLOW_CONN_OUT", "sqlite:////tmp/x.db")
    monkeypatch.setenv("AIRFLOW_CONN_HOOK", "smtp://h")
    alerts = (
        "alerts:\n- {on: failed, notifier: email, to: a@b.c}\n- {on: failed, notifier: webhook, connection: hook}\n"
    )
    (folder / "a.yaml").write_text((folder / "a.yaml").read_text() + alerts)
    assert main(["check", "--connections", str(folder / "a.yaml"), "--json"]) == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [problem["code"] for problem in problems] == ["connection.unknown", "connection.wrong_type"]
    assert "smtp_default" in problems[0]["found"]
    assert problems[1]["found"] == "connection 'hook' of type 'smtp' for alerts by webhook"
