"""What Airflow is told about this package: its connection types and their forms, from the registry.

Airflow asks at the start of every process, so nothing heavy is imported here, Airflow least of all.
Source of the layout: ``airflow/provider_info.schema.json`` and the provider docs, "conn-fields" (since 3.2).
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

__all__ = ["PROVIDER_OF", "get_provider_info"]

REGISTRY = Path(__file__).parent.parent / "registry.json"

PROVIDER_OF = {name: f"apache-airflow-providers-{name}" for name in ("postgres", "http", "sqlite", "sftp", "ftp")}
"""Connection types that a provider of Airflow's own registers where it is installed: then its form serves us too."""

WITHOUT_FORM = frozenset({"memory", "gcs", "az"})
"""Second words for another type, and what only tests use."""

_STANDARD = ("host", "port", "login", "password", "schema", "extra")
_JSON_TYPES = {"integer": "integer", "number": "number", "boolean": "boolean"}


def get_provider_info() -> dict[str, Any]:
    """The provider's description as Airflow's entry point ``apache_airflow_provider`` wants it."""
    return {
        "package-name": "dragoman",
        "name": "Dragoman",
        "description": "One YAML file per integration, every record accounted for.",
        "connection-types": _connection_types(),
    }


def _connection_types() -> list[dict[str, Any]]:
    try:
        registry = json.loads(REGISTRY.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    forms: dict[str, dict[str, Any]] = {}
    for manifest in registry["connectors"].values():
        connection = manifest.get("connection") or {}
        for conn_type in connection.get("types", ()):
            if conn_type not in WITHOUT_FORM and conn_type not in forms and not _registered_elsewhere(conn_type):
                forms[conn_type] = _form(conn_type, manifest, connection)
    return [forms[name] for name in sorted(forms)]


def _registered_elsewhere(conn_type: str) -> bool:
    try:
        distribution(PROVIDER_OF[conn_type])
    except (KeyError, PackageNotFoundError):
        return False
    return True


def _form(conn_type: str, manifest: dict[str, Any], connection: dict[str, Any]) -> dict[str, Any]:
    """One connection type. Fields of Airflow's own seven are kept or hidden; the others live in the extra."""
    fields: dict[str, dict[str, Any]] = connection.get("fields") or {}
    placeholders = {name: str(spec["example"]) for name, spec in fields.items() if spec.get("example")}
    labels = {name: str(spec["label"]) for name, spec in fields.items() if name in _STANDARD and spec.get("label")}
    title = manifest.get("title", conn_type)
    many = len(connection.get("types", ())) > 1
    return {
        "connection-type": conn_type,
        "hook-name": f"{title} ({conn_type})" if many else title,
        "hook-class-name": f"dragoman.orchestration.hooks.{hook_class_name(conn_type)}",
        "ui-field-behaviour": {
            "hidden-fields": [name for name in _STANDARD if name not in fields],
            "relabeling": labels,
            "placeholders": placeholders,
        },
        "conn-fields": {name: _extra_field(name, spec) for name, spec in fields.items() if name not in _STANDARD},
    }


def _extra_field(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": [_JSON_TYPES.get(str(spec.get("type", "")), "string"), "null"]}
    if spec.get("secret"):
        schema["format"] = "password"
    if spec.get("values"):
        schema["enum"] = list(spec["values"])
    if spec.get("default") is not None:
        schema["default"] = spec["default"]
    label = str(spec.get("label") or name.replace("_", " ").capitalize())
    return {"label": label, "description": str(spec.get("help", "")), "schema": schema}


def hook_class_name(conn_type: str) -> str:
    """The hook class of a connection type: ``duckdb`` gives ``DuckdbHook``."""
    return "".join(part.capitalize() for part in conn_type.split("_")) + "Hook"
