"""``dragoman schema``: the JSON Schema of integrations, for completion and marks in editors."""

from __future__ import annotations

import argparse

from dragoman.cli.output import emit_json
from dragoman.language.json_schema import json_schema

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""
    parser.epilog = "Save it, and begin a YAML file with: # yaml-language-server: $schema=dragoman.schema.json"


def run(args: argparse.Namespace) -> int:  # noqa: ARG001 - what it prints is JSON in any case
    """Print the schema."""
    emit_json(json_schema())
    return 0
