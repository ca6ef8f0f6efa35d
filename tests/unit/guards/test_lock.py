"""The lock is whole: hashed, without any host, and on the versions that are known to work."""

import re
from pathlib import Path

LOCK = (Path(__file__).parents[3] / "requirements.txt").read_text()


def test_every_requirement_is_pinned_and_hashed():
    blocks = re.findall(
        r"^([A-Za-z0-9._-]+)==(\S+)[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}[^\n]*\n?)+)", LOCK, re.M
    )
    assert len(blocks) == len(re.findall(r"^[A-Za-z0-9]", LOCK, re.M)) > 150
    assert "://" not in LOCK


def test_known_traps():
    versions = dict(re.findall(r"^([a-z0-9-]+)==([0-9.]+)", LOCK, re.M))
    assert versions["apache-airflow"] == "3.3.2"
    assert tuple(map(int, versions["celery"].split("."))) < (5, 7)
