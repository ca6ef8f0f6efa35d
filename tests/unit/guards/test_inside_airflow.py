"""What Airflow sees of the package: its plugins folder as on any machine, and a row for every class of error."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[3] / "plugins"
LOOK = """
import csv, json, sys
from airflow import plugins_manager
plugins = [plugin.name for plugin in plugins_manager._get_plugins()[0]]
from dragoman.core.errors import DragomanError
from dragoman.orchestration.retry import BEHAVIOUR
def below(kind):
    return [kind, *(deeper for one in kind.__subclasses__() for deeper in below(one))]
print(json.dumps({
    "plugins": plugins,
    "errors": {str(name): str(error) for name, error in plugins_manager.get_import_errors().items()},
    "same": sys.modules["csv"] is csv and sys.modules["json"] is json and hasattr(csv, "reader"),
    "homes": [csv.__file__, json.__file__],
    "without a row": [kind.__name__ for kind in below(DragomanError)[1:] if not issubclass(kind, tuple(BEHAVIOUR))],
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    home = str(tmp_path_factory.mktemp("airflow"))
    env = os.environ | {"AIRFLOW_HOME": home, "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS)}
    done = subprocess.run([sys.executable, "-c", LOOK], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_plugin_loads_without_an_error(seen):
    assert seen["errors"] == {}
    assert "dragoman" in seen["plugins"]


def test_the_standard_library_is_still_the_standard_library(seen):
    assert seen["same"]
    assert not any("dragoman" in home for home in seen["homes"])


def test_every_error_class_reaches_a_row_of_the_table(seen):
    assert seen["without a row"] == []


def test_no_class_of_errors_is_hidden_from_that_table():
    texts = {path.name: path.read_text() for path in (PLUGINS / "dragoman").rglob("*.py")}
    assert [name for name, text in texts.items() if re.search(r"^class \w+\(DragomanError\)", text, re.M)] == [
        "errors.py"
    ]
