"""Loading: one file, one by its id, a folder; and what is kept of compiled flows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.core.errors import ConfigError
from dragoman.language import all_flows, check_files, compile_definition, find_flow, load_flow
from dragoman.language.cache import entry_of


def text_of(name: str, more: str = "") -> str:
    return (
        f"integration: {name}\nsource: {{connector: files, connection: i, path: a.csv}}\n"
        f"deliver: {{connector: sqlite, connection: o, table: t}}\n{more}"
    )


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def entry(path: Path) -> Path:
    return entry_of(path.read_bytes(), str(path), path.parent)


def test_warm_is_what_cold_was(tmp_path):
    path = write(tmp_path, "a.yaml", text_of("a"))
    cold = load_flow(path)
    assert entry(path).is_file()
    assert load_flow(path) == cold


def test_a_warm_load_needs_neither_yaml_nor_pydantic_nor_duckdb(tmp_path):
    path = write(tmp_path, "a.yaml", text_of("a", "translate: {filter: upper(x) = 'A'}\n"))
    load_flow(path)
    code = (
        "import sys; from pathlib import Path; from dragoman.language import load_flow\n"
        f"load_flow(Path({str(path)!r}))\n"
        "heavy = {'yaml', 'pydantic', 'duckdb', 'pyarrow', 'airflow'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_edit_is_seen(tmp_path):
    path = write(tmp_path, "a.yaml", text_of("a"))
    assert load_flow(path).title == ""
    write(tmp_path, "a.yaml", text_of("a", "title: New\n"))
    assert load_flow(path).title == "New"


def test_an_edit_of_a_named_file_is_seen(tmp_path):
    (tmp_path / "a").mkdir()
    sql = write(tmp_path / "a", "t.sql", "SELECT 1 AS x")
    path = write(tmp_path, "a.yaml", text_of("a", "translate: {sql: t.sql}\n"))
    load_flow(path)
    sql.write_text("SELECT 2 AS x")
    assert load_flow(path).translations[0].sql_text == "SELECT 2 AS x"
    sql.unlink()
    with pytest.raises(ConfigError, match=r"no file a/t\.sql"):
        load_flow(path)


def test_another_compiler_compiles_anew(tmp_path, monkeypatch):
    path = write(tmp_path, "a.yaml", text_of("a"))
    before = entry(path)
    monkeypatch.setattr("dragoman.language.cache._version", lambda: "another")
    assert entry(path) != before


def test_a_broken_entry_is_compiled_anew(tmp_path):
    path = write(tmp_path, "a.yaml", text_of("a"))
    cold = load_flow(path)
    entry(path).write_bytes(b'{"named": {}, "flow"')
    assert load_flow(path) == cold
    assert entry(path).read_bytes().endswith(b"}")


def test_where_nothing_can_be_kept_it_works_all_the_same(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.write_text("a file where a folder is due")
    monkeypatch.setenv("DRAGOMAN_HOME", str(home))
    assert load_flow(write(tmp_path, "a.yaml", text_of("a"))).integration == "a"


def test_a_broken_file_raises_with_all_its_problems(tmp_path):
    path = write(tmp_path, "a.yaml", text_of("a", "titel: x\nschedule: never\n"))
    with pytest.raises(ConfigError) as caught:
        load_flow(path)
    assert [(problem.code, problem.line) for problem in caught.value.problems] == [
        ("key.unknown", 4),
        ("schedule.cron", 5),
    ]
    assert not entry(path).exists()


def test_a_missing_file(tmp_path):
    (problem,) = check_files([tmp_path / "none.yaml"])
    assert (problem.code, problem.found) == ("file.missing", "no such file")


def test_one_broken_of_three_leaves_two(tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path, f"{name}.yaml", text_of(name, "titel: x\n" if name == "b" else ""))
    flows, problems = all_flows(tmp_path)
    assert [flow.integration for flow in flows] == ["a", "c"]
    assert [(Path(problem.file).name, problem.line) for problem in problems] == [("b.yaml", 4)]


def test_two_files_with_one_id_are_an_error_in_both(tmp_path):
    for name in ("one.yaml", "two.yml", "three.yaml"):
        write(tmp_path, name, text_of("same" if name != "three.yaml" else "other"))
    flows, problems = all_flows(tmp_path)
    assert [flow.integration for flow in flows] == ["other"]
    assert [(Path(p.file).name, p.line, p.code) for p in problems] == [
        ("one.yaml", 1, "integration.twice"),
        ("two.yml", 1, "integration.twice"),
    ]
    assert check_files([tmp_path]) == problems
    assert check_files([tmp_path / "one.yaml", tmp_path / "two.yml"]) == problems
    assert check_files([tmp_path / "one.yaml", tmp_path / "one.yaml"]) == []
    (tmp_path / "one.yaml").rename(tmp_path / "same.yaml")
    with pytest.raises(ConfigError, match=r"two\.yml has too"):
        find_flow("same", tmp_path)
    (tmp_path / "same.yaml").rename(tmp_path / "one.yaml")
    with pytest.raises(ConfigError, match=r"two\.yml has too"):
        find_flow("same", tmp_path)


def test_a_missing_folder_is_a_problem(tmp_path):
    assert all_flows(tmp_path / "none")[1][0].code == "file.missing"


def test_find_by_file_name_compiles_no_other(tmp_path):
    write(tmp_path, "a.yaml", text_of("a"))
    other = write(tmp_path, "b.yaml", text_of("b"))
    assert find_flow("a", tmp_path).integration == "a"
    assert not entry(other).exists()


def test_find_by_text_compiles_no_other(tmp_path):
    write(tmp_path, "a.yaml", text_of("x", "# integration: y\n"))
    other = write(tmp_path, "b.yaml", text_of('"y"  # the id'))
    assert find_flow("y", tmp_path).file == str(other)
    assert not entry(tmp_path / "a.yaml").exists()


def test_find_where_the_text_does_not_tell(tmp_path):
    write(
        tmp_path,
        "a.yaml",
        "{integration: z, source: {connector: files, connection: i, path: a.csv}, deliver: {connector: sqlite, connection: o, table: t}}",
    )
    assert find_flow("z", tmp_path).integration == "z"


def test_find_by_path(tmp_path):
    path = write(tmp_path, "a.yaml", text_of("x"))
    assert find_flow(str(path), Path("/nowhere")).integration == "x"


def test_find_what_is_not_there(tmp_path):
    write(tmp_path, "a.yaml", text_of("orders"))
    with pytest.raises(ConfigError, match="no integration 'order'") as caught:
        find_flow("order", tmp_path)
    assert caught.value.next_step == "did you mean 'orders'?"


def test_a_definition_in_python():
    flow = compile_definition(
        {
            "integration": "inline",
            "source": {"connector": "files", "connection": "i", "path": "a.csv"},
            "deliver": {"connector": "sqlite", "connection": "o", "table": "t"},
        },
        origin="task x",
    )
    assert (flow.integration, flow.file) == ("inline", "task x")
    with pytest.raises(ConfigError, match="task x:1:1: integration is missing"):
        compile_definition(
            {
                "source": {"connector": "files", "connection": "i", "path": "a.csv"},
                "deliver": {"connector": "sqlite", "connection": "o", "table": "t"},
            },
            origin="task x",
        )


def test_a_part_of_a_folder_compiles_its_own_files_and_sees_ids_that_others_have_too(tmp_path):
    flow_style = (
        "{integration: one, source: {connector: files, connection: i, path: a.csv}, "
        "deliver: {connector: sqlite, connection: o, table: t}}\n"
    )
    write(tmp_path, "a.yaml", text_of("one"))
    write(tmp_path, "b.yaml", text_of('"two" # quoted'))
    write(tmp_path, "c.yaml", flow_style)
    write(tmp_path, "d.yaml", text_of("two", "titel: x\n"))
    write(tmp_path, "e.yaml", text_of("three"))
    whole_flows, whole_problems = all_flows(tmp_path)
    for name in "abcde":
        flows, problems = all_flows(tmp_path, lambda path, name=name: path.stem == name)
        file = str(tmp_path / f"{name}.yaml")
        assert [flow.file for flow in flows] == [flow.file for flow in whole_flows if flow.file == file]
        assert [str(one) for one in problems] == [str(one) for one in whole_problems if one.file == file]
    assert [flow.integration for flow in whole_flows] == ["two", "three"]
