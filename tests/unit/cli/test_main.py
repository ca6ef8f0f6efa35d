"""The front door: words that make no sense, in text and in JSON."""

import json

import pytest

from dragoman.cli.main import main


@pytest.mark.parametrize(
    "words", [["nosuch"], [], ["run"], ["preview", "a", "--limit", "x"], ["runs", "--nosuch"], ["check", "a", "--limt"]]
)
def test_wrong_words_are_wrong_input(words, capsys):
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "[cli.usage] Next: dragoman" in said.err
    if words:
        assert main([*words, "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["error"] == "cli.usage"


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]])
def test_help_is_no_mistake(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert "dragoman" in capsys.readouterr().out
