"""The wheel on the other Pythons that this machine has: it installs over no pin, imports whole, and delivers."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pack.environment import UV, add_orders, bare_environ, make_site

OTHERS = [minor for minor in ("3.11", "3.12", "3.13") if minor != f"{sys.version_info.major}.{sys.version_info.minor}"]
IMPORT_ALL = """
import importlib, pkgutil, dragoman
names = [one.name for one in pkgutil.walk_packages(dragoman.__path__, "dragoman.")]
for name in names:
    if not name.endswith("__main__") and ".migrations." not in name and ".testing" not in name:
        importlib.import_module(name)
print(len(names))
"""


def find_python(minor):
    """One that uv knows, or one of pyenv's; empty where there is none."""
    words = [UV, "python", "find", "--no-python-downloads", "--no-project", minor]
    found = subprocess.run(words, env=bare_environ(), capture_output=True, text=True, check=False)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    own = sorted(str(path) for path in pyenv.glob(f"{minor}.*/bin/python"))
    return own[-1] if found.returncode and own else found.stdout.strip()


@pytest.mark.parametrize("minor", OTHERS)
def test_another_python(tmp_path, wheel, minor):
    python = find_python(minor)
    if not python:
        pytest.skip(f"this machine has no Python {minor}")
    site = make_site(tmp_path / "site", python)
    before = site.pins()
    site.install(wheel)
    after = site.pins()
    assert {name: after.get(name) for name in before} == before
    assert int(site.run("python", "-c", IMPORT_ALL).splitlines()[-1]) > 150
    add_orders(site)
    inbox, erp = f"file://{site.root}/inbox", f"sqlite:///{site.root}/erp.db"
    said = site.run("dragoman", "run", "orders", AIRFLOW_CONN_INBOX=inbox, AIRFLOW_CONN_ERP=erp)
    assert "delivered 2" in said
    with sqlite3.connect(site.root / "erp.db") as rows:
        assert rows.execute("select count(*) from orders").fetchall() == [(2,)]
