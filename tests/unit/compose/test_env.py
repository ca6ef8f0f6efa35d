"""``make env`` writes secrets that nobody knows, and never over older ones."""

import base64
import stat

from scripts import env


def values(path):
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def test_each_file_has_secrets_of_its_own_readable_for_the_owner_alone(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert env.main([str(first)]) == env.main([str(second)]) == 0
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert values(first).keys() == values(second).keys()
    assert not set(values(first).values()) & set(values(second).values())
    assert len(base64.urlsafe_b64decode(values(first)["FERNET_KEY"])) == 32
    assert all(len(value) >= 24 for value in values(first).values())


def test_a_file_that_is_there_is_left_alone(tmp_path, capsys):
    path = tmp_path / ".env"
    path.write_text("POSTGRES_PASSWORD=old\n")
    assert env.main([str(path)]) == 1
    assert path.read_text() == "POSTGRES_PASSWORD=old\n"
    assert "not changed" in capsys.readouterr().out
