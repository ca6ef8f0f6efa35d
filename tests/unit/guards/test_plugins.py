"""Airflow loads the plugins folder as it would on any machine: no error, and nothing of the standard library replaced."""

import os
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).parents[3] / "plugins"
LOAD = """
import csv, json
from airflow import plugins_manager
names = [plugin.name for plugin in plugins_manager._get_plugins()[0]]
errors = plugins_manager.get_import_errors()
import sys
assert not errors, errors
assert "dragoman" in names, names
assert sys.modules["csv"] is csv and csv.reader and sys.modules["json"] is json and json.loads
assert "site-packages" not in csv.__file__ + json.__file__ and "dragoman" not in csv.__file__ + json.__file__
"""


def test_plugins_load_and_replace_nothing(tmp_path):
    env = os.environ | {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS)}
    done = subprocess.run([sys.executable, "-c", LOAD], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
