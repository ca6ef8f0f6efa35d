"""Writes ``registry.json`` from every ``connector.yaml`` and from ``formats.yaml``: ``make registry``.

``python -m dragoman.language.build_registry [--check]``; with ``--check`` it writes nothing and exits 1 where the
file is stale. A manifest that is wrong is refused with its file and line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dragoman.core.errors import ConfigError
from dragoman.core.manifest import (
    OPTION_TYPES,
    SUPPORT_LEVELS,
    FormatInfo,
    Manifest,
    Option,
)
from dragoman.core.registry import REGISTRY_FILE
from dragoman.language.manifest_cases import check_cases, check_examples
from dragoman.language.options import check_value
from dragoman.language.reader import Reading, read_yaml

__all__ = ["build", "main"]

PACKAGE = Path(__file__).parent.parent
MODES = ("append", "upsert", "replace", "delete")
COMMON_KEYS = {
    "source": {"connector", "connection", "format", "types", "timezone", "streams", "cursor", "deletes"},
    "destination": {
        "connector", "connection", "format", "from", "mode", "key", "version", "when", "create", "delivery_schema",
        "schema_changes", "update", "insert_only",
    },
}  # fmt: skip


def build(package: Path = PACKAGE) -> str:
    """The registry's text, the same for the same manifests. Raises ``ConfigError`` with all that is wrong."""
    readings: list[Reading] = []
    connectors: dict[str, Any] = {}
    for path in sorted((package / "connectors").glob("*/connector.yaml")):
        reading = read_yaml(path.read_bytes(), str(path))
        readings.append(reading)
        connector = _convert(reading, reading.value, Manifest, ())
        if connector is not None:
            _check_connector(reading, connector, path.parent.name)
            connectors[connector.connector] = msgspec.to_builtins(connector)
    formats: dict[str, Any] = {}
    path = package / "formats" / "formats.yaml"
    if path.is_file():
        reading = read_yaml(path.read_bytes(), str(path))
        readings.append(reading)
        for name, value in (reading.value or {}).items():
            info = _convert(reading, value, FormatInfo, (name,))
            if info is not None:
                _check_options(reading, info.options, (name, "options"))
                formats[name] = msgspec.to_builtins(info)
    problems = [problem for reading in readings for problem in reading.problems]
    if problems:
        raise ConfigError.of(problems)
    return json.dumps({"connectors": connectors, "formats": formats}, indent=1, ensure_ascii=False) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Write the file, or with ``--check`` only compare."""
    parser = argparse.ArgumentParser(prog="build_registry", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the file is stale")
    args = parser.parse_args(argv)
    try:
        text = build()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if args.check:
        fresh = REGISTRY_FILE.is_file() and REGISTRY_FILE.read_text(encoding="utf-8") == text
        if not fresh:
            sys.stderr.write(f"{REGISTRY_FILE} is stale: make registry\n")
        return 0 if fresh else 1
    REGISTRY_FILE.write_text(text, encoding="utf-8")
    return 0


def _convert(reading: Reading, value: Any, kind: type[Any], path: tuple[str, ...]) -> Any:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        parts = [part for part in place.rstrip("`").replace("[...]", ".").split(".") if part]
        reading.add((*path, *parts), "manifest.shape", text)
        return None


def _check_connector(reading: Reading, manifest: Manifest, folder: str) -> None:
    if manifest.connector != folder:
        reading.add(("connector",), "manifest.name", f"the name {manifest.connector!r}", f"its folder's: {folder!r}")
    if manifest.support not in SUPPORT_LEVELS:
        expected = "one of " + ", ".join(SUPPORT_LEVELS)
        reading.add(("support",), "manifest.support", f"support {manifest.support!r}", expected)
    if manifest.source is None and manifest.destination is None:
        reading.add((), "manifest.no_role", "neither source nor destination", "one of the two at least")
    roles: dict[str, Any] = {"source": manifest.source, "destination": manifest.destination}
    for name, role in roles.items():
        if role is None:
            continue
        _check_options(reading, role.options, (name, "options"))
        for option in COMMON_KEYS[name] & set(role.options):
            place = (name, "options", option)
            reading.add(place, "manifest.common_key", f"the option {option!r}", "the language has that key", key=True)
        check_cases(reading, role, name)
        for at, group in enumerate(role.one_of):
            for unknown in set(group) - set(role.options):
                reading.add((name, "one_of", at), "manifest.one_of", f"{unknown!r} in one_of", "a declared option")
        if not reading.problems:
            check_examples(reading, role, name, COMMON_KEYS[name])
    destination = manifest.destination
    if destination is not None:
        for mode in set(destination.can.modes) - set(MODES):
            reading.add(
                ("destination", "can", "modes"), "manifest.mode", f"mode {mode!r}", "one of " + ", ".join(MODES)
            )
        if destination.can.visible not in {"run", "batch"}:
            found = f"visible {destination.can.visible!r}"
            reading.add(("destination", "can", "visible"), "manifest.visible", found, "run or batch")


def _check_options(reading: Reading, options: Mapping[str, Option], path: tuple[str, ...]) -> None:
    for name, option in options.items():
        here = (*path, name)
        if option.type not in OPTION_TYPES:
            expected = "one of " + ", ".join(OPTION_TYPES)
            reading.add((*here, "type"), "manifest.option_type", f"the type {option.type!r}", expected)
            continue
        for needed, where in (("values", "enum"), ("of", "list"), ("fields", "object")):
            if option.type == where and not getattr(option, needed):
                reading.add(here, "manifest.option", f"{name} is of type {where} without {needed}:", key=True)
        if option.of and option.of not in OPTION_TYPES:
            reading.add((*here, "of"), "manifest.option_type", f"of {option.of!r}", "one of " + ", ".join(OPTION_TYPES))
            continue
        if option.names not in {"", "column", "placeholders"} or (option.names and option.type != "text"):
            expected = "column or placeholders, in a text"
            reading.add((*here, "names"), "manifest.names", f"names: {option.names}", expected)
        if not option.help:
            reading.add(here, "manifest.help", f"{name} without help:", "a sentence for people", key=True)
        _check_options(reading, option.fields, (*here, "fields"))
        if reading.problems:
            continue
        for word in ("default", "example"):
            value = getattr(option, word)
            if value is not None:
                check_value(option, value, here, _Complaint(reading, (*here, word)))


class _Complaint:
    """Tells problems of a value at its place in the manifest."""

    def __init__(self, reading: Reading, place: tuple[str, ...]) -> None:
        self.reading = reading
        self.place = place

    def __call__(
        self,
        path: tuple[str | int, ...],
        code: str,
        found: str,
        expected: str = "",
        near: str = "",
        *,
        key: bool = False,
    ) -> None:
        del path, key
        self.reading.add(self.place, f"manifest.{code}", found, expected, near)


if __name__ == "__main__":
    sys.exit(main())
