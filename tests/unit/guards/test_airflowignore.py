"""Without ``plugins/.airflowignore`` Airflow runs every module of the package a second time under its bare name."""

import re
from pathlib import Path

PLUGINS = Path(__file__).parents[3] / "plugins"


def test_the_package_is_ignored_and_the_plugin_is_not():
    lines = (PLUGINS / ".airflowignore").read_text().split()
    ignored = [path.name for path in PLUGINS.glob("*.py") if any(re.search(line, path.name) for line in lines)]
    assert "dragoman/" in lines
    assert not ignored
