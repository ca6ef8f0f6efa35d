"""Every error class reaches a row of the table that says what Airflow does with it."""

import subprocess
import sys

CODE = """
import importlib, pkgutil, dragoman
from dragoman.core.errors import DragomanError
from dragoman.orchestration.retry import BEHAVIOUR
for module in pkgutil.walk_packages(dragoman.__path__, "dragoman."):
    if not module.name.endswith("__main__") and ".migrations." not in module.name:
        importlib.import_module(module.name)
def below(kind):
    return [kind, *(deeper for one in kind.__subclasses__() for deeper in below(one))]
lost = [kind for kind in below(DragomanError)[1:] if not any(issubclass(kind, row) for row in BEHAVIOUR)]
assert not lost and len(BEHAVIOUR) >= 4, lost
"""


def test_every_error_class_has_a_row(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
