"""``dragoman check [PATH…]``: every mistake in integrations, without any connection."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dragoman.cli.auth_manager import access_without_effect
from dragoman.cli.output import emit, emit_json
from dragoman.core.connection import ConnectionStore
from dragoman.core.errors import ConfigError, Problem
from dragoman.core.flow import DeliverySpec, Flow, SourceSpec
from dragoman.core.home import integrations_folder
from dragoman.core.registry import manifests
from dragoman.language.load import check_files, files_of, load_flow

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``PATH`` is a YAML file, or a folder of them."""
    parser.add_argument("paths", metavar="PATH", nargs="*", type=Path, help="YAML files, or folders of them")
    parser.add_argument("--connections", action="store_true", help="also look up every connection that is named")


def run(args: argparse.Namespace) -> int:
    """Print one line per mistake and a summary; 2 where there is a mistake."""
    paths: list[Path] = args.paths or [integrations_folder()]
    problems = check_files(paths)
    files = [file for path in paths for file in (files_of(path) if path.is_dir() else [path])]
    if args.connections:
        broken = {problem.file for problem in problems}
        flows = [load_flow(file) for file in files if str(file) not in broken]
        problems += _connections(flows)
    warnings = access_without_effect(files)
    if args.json:
        found = [vars(problem) for problem in problems]
        emit_json({"checked": len(files), "ok": not problems, "problems": found, "warnings": warnings})
    else:
        for problem in problems:
            emit(str(problem))
        for warning in warnings:
            emit(f"warning: {warning}")
        emit(_summary(len(files), problems))
    return 2 if problems else 0


def _summary(checked: int, problems: list[Problem]) -> str:
    said = f"{checked} integration{'' if checked == 1 else 's'} checked"
    if not problems:
        return f"{said}: all good"
    files = len({problem.file for problem in problems})
    return (
        f"{said}: {len(problems)} problem{'' if len(problems) == 1 else 's'} in {files} file{'' if files == 1 else 's'}"
    )


def _connections(flows: list[Flow]) -> list[Problem]:
    from dragoman.cli.connections import connection_store

    store = connection_store()
    problems = []
    for flow in flows:
        ends: list[SourceSpec | DeliverySpec] = [*flow.sources, *flow.deliveries]
        for spec in ends:
            problem = _connection(store, flow, spec)
            if problem is not None and problem not in problems:
                problems.append(problem)
        for alert in flow.alerts:
            problem = _alert_connection(store, flow, alert)
            if problem is not None and problem not in problems:
                problems.append(problem)
    return problems


def _connection(store: ConnectionStore, flow: Flow, spec: SourceSpec | DeliverySpec) -> Problem | None:
    known = manifests()[spec.connector].connection
    if not spec.connection or known is None:
        return None
    try:
        found = store.get(spec.connection)
    except ConfigError as error:
        return _at(flow, spec.connection, error.code, error.message, error.next_step)
    if found.conn_type in known.types:
        return None
    said = f"connection {spec.connection!r} of type {found.conn_type!r} for the connector {spec.connector!r}"
    return _at(flow, spec.connection, "connection.wrong_type", said, "type " + " or ".join(known.types))


def _alert_connection(store: ConnectionStore, flow: Flow, alert: Mapping[str, Any]) -> Problem | None:
    """What is wrong with the connection by which an alert is told."""
    named = str(alert.get("connection") or "smtp_default")
    try:
        found = store.get(named)
    except ConfigError as error:
        return _at(flow, named, error.code, error.message, error.next_step)
    expected = "http" if alert["notifier"] == "webhook" else "smtp"
    if found.conn_type == expected:
        return None
    said = f"connection {named!r} of type {found.conn_type!r} for alerts by {alert['notifier']}"
    return _at(flow, named, "connection.wrong_type", said, f"type {expected}")


def _at(flow: Flow, connection: str, code: str, found: str, expected: str) -> Problem:
    """A problem at the place where the file names the connection."""
    match = re.search(rf"connection:\s*[\"']?({re.escape(connection)})\b", flow.text)
    at = match.start(1) if match else 0
    line, column = flow.text.count("\n", 0, at) + 1, at - flow.text.rfind("\n", 0, at)
    return Problem(flow.file, line, column, code, found, expected)
