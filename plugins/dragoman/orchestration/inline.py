"""An integration that stands in a DAG file as a Python mapping, compiled by the same rules as a YAML file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dragoman.core.flow import Flow
from dragoman.language import load_flow

__all__ = ["compile_definition"]


def compile_definition(definition: Mapping[str, Any]) -> Flow:
    """The compiled integration; ``ConfigError`` as for a file. It has no folder for ``sql:`` and ``python:`` files."""
    text = yaml.safe_dump(dict(definition), sort_keys=False, allow_unicode=True, width=1000)
    with tempfile.TemporaryDirectory(prefix="dragoman-inline-") as folder:
        file = Path(folder) / "inline.yaml"
        file.write_text(text, encoding="utf-8")
        return load_flow(file)
