import json

from dragoman.cli.main import main


def test_list(capsys):
    assert main(["connectors"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["NAME", "READS", "WRITES", "SUPPORT", "SUMMARY"]
    assert any(row.startswith("postgres  yes    append, upsert, replace, delete  tested") for row in rows)


def test_list_as_json(capsys):
    assert main(["connectors", "list", "--json"]) == 0
    said = {one["connector"]: one for one in json.loads(capsys.readouterr().out)}
    assert said["files"]["destination"]["can"]["modes"] == ["append", "replace"]


def test_show(capsys):
    assert main(["connectors", "show", "files"]) == 0
    out = capsys.readouterr().out
    assert "such as file:///data/inbox" in out
    assert "reread (never|changed|always, default never):" in out
    assert "as destination: Effectively once" in out


def test_show_what_is_not_there(capsys):
    assert main(["connectors", "show", "postgre"]) == 2
    assert "did you mean 'postgres'?" in capsys.readouterr().err


def test_show_without_a_name(capsys):
    assert main(["connectors", "show"]) == 2
    assert "connectors show without a connector" in capsys.readouterr().err


def test_test_asks_the_system(capsys, monkeypatch, tmp_path):
    (tmp_path / "a.csv").write_text("x\n")
    monkeypatch.setenv("AIRFLOW_CONN_INBOX", f"file://{tmp_path}")
    assert main(["connectors", "test", "inbox", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["connector"], said["ok"]) == ("files", True)
    assert str(tmp_path) in said["answer"]


def test_test_of_a_type_that_nobody_takes(capsys, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_X", "gopher://host")
    assert main(["connectors", "test", "x"]) == 2
    assert "of type 'gopher', which no connector takes" in capsys.readouterr().err
