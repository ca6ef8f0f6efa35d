"""The public API changes only when someone says so."""

from scripts import public_api

HOW = "the public API has changed: make api, and a line in CHANGELOG.md\n"


def test_the_list_is_what_the_source_gives():
    kept, now = set(public_api.LIST.read_text().splitlines()), set(public_api.api_page().splitlines())
    changes = [f"- {line}" for line in sorted(kept - now)] + [f"+ {line}" for line in sorted(now - kept)]
    assert not changes, HOW + "\n".join(changes)


def test_every_public_name_is_found():
    lines = public_api.public_api()
    for module in public_api.MODULES:
        names = public_api._exported(public_api._tree(module))
        assert names, module
        for name in names:
            assert any(line.startswith((f"{module} {name}", f"{module} class {name}")) for line in lines), name


def test_a_changed_signature_is_said(tmp_path, monkeypatch, capsys):
    older = tmp_path / "public_api.txt"
    older.write_text(public_api.api_page().replace("build(folder: str | Path | None=None", "build(folder: str"))
    monkeypatch.setattr(public_api, "LIST", older)
    assert public_api.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "+ dragoman.orchestration build(folder: str | Path | None=None" in said
    assert "CHANGELOG.md" in said
    assert public_api.main([]) == 0
    assert public_api.main(["--check"]) == 0
