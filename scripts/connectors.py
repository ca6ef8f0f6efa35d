"""The pages and the table that come from the manifests: one page a connector, one of the formats, one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from dragoman.core.manifest import DestinationRole, Example, Manifest, Option, SourceRole
from dragoman.core.option_terms import guarantee_of, told
from dragoman.core.registry import formats, manifests

GENERATED = "Written by `make docs` from the manifest; not to be edited.\n"


def support_table() -> str:
    """One row a connector, for the README."""
    lines = [
        "| connector | reads | writes | guarantee of a delivery | support | what it does |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in sorted(manifests().items()):
        reads = "yes" + (", incremental" if one.source and one.source.can.cursor else "") if one.source else "no"
        writes = ", ".join(one.destination.can.modes) if one.destination else "no"
        link = f"[{one.title}](docs/connectors/{name}.md)"
        promise = _cell(_promises(one.destination)) if one.destination else ""
        lines.append(f"| {link} | {reads} | {writes} | {promise} | {one.support} | {_cell(one.summary)} |")
    return "\n".join(lines) + "\n"


def connector_pages() -> dict[str, str]:
    """The reference page of each connector."""
    return {name: _connector(one) for name, one in manifests().items()}


def formats_page() -> str:
    """The page of all file formats."""
    parts = ["# File formats\n", "Written by `make docs` from `formats.yaml`; not to be edited.\n"]
    for name, one in sorted(formats().items()):
        ways = " and ".join(way for way, can in (("read", one.read), ("written", one.write)) if can)
        endings = f" Taken by itself for {', '.join(f'`{ending}`' for ending in one.endings)}." if one.endings else ""
        parts += [f"## `{name}`: {one.title}\n", f"{one.summary} It is {ways}.{endings}\n", _options(one.options)]
    return "\n".join(parts)


def _connector(one: Manifest) -> str:
    parts = [
        f"# {one.title}\n",
        GENERATED,
        f"{one.summary}\n",
        f"`connector: {one.connector}` · support: {one.support}\n",
    ]
    if one.connection:
        kinds = ", ".join(f"`{kind}`" for kind in one.connection.types)
        parts += ["## Connection\n", f"Airflow connection of type {kinds}, for instance `{one.connection.example}`.\n"]
        rows = [
            [f"`{name}`", "yes" if field.required else "", "extra" if field.extra else "", _cell(field.help)]
            for name, field in one.connection.fields.items()
        ]
        parts.append(_table(["field", "required", "stands in", "meaning"], rows))
    for title, role in (("As a source", one.source), ("As a destination", one.destination)):
        if role:
            parts += [f"## {title}\n", f"Promise: {role.guarantee}\n", *_cases(role)]
            parts += [_can(role), _options(role.options)]
            parts += [_example(one, role, example) for example in role.examples]
            parts += [f"One of {', '.join(f'`{name}`' for name in group)} is needed.\n" for group in role.one_of]
    return "\n".join(parts)


def _promises(role: DestinationRole) -> str:
    """The gist of each promise, which stands before its first colon; with the one option that gives it."""
    said = [_gist(role.guarantee)]
    said += [f"{told(case.given)} {_gist(case.says).lower()}" for case in role.guarantees if len(case.given) == 1]
    return "; ".join(said)


def _gist(promise: str) -> str:
    sentence = promise.partition(". ")[0]
    return sentence.partition(":")[0].removesuffix(".")


def _cases(role: SourceRole | DestinationRole) -> list[str]:
    """What is promised instead, with some options; the first that holds counts."""
    lines = "".join(f"- {told(case.given)}: {case.says}\n" for case in role.guarantees)
    return ["What is promised instead, the first line that fits:\n", lines] if lines else []


def _example(one: Manifest, role: SourceRole | DestinationRole, example: Example) -> str:
    """One purpose: what is written, and what these options promise."""
    written: dict[str, Any] = {"connector": one.connector}
    written |= {"connection": "shop"} if one.connection else {}
    written |= example.write
    word = "source" if isinstance(role, SourceRole) else "deliver"
    lines = [f"  {name}: {_flow(value)}" for name, value in written.items()]
    promise = guarantee_of(role, example.write, str(example.write.get("mode") or ""))
    return "\n".join([f"### {example.title}\n", "```yaml", f"{word}:", *lines, "```\n", f"{promise}\n"])


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _can(role: SourceRole | DestinationRole) -> str:
    values: dict[str, Any] = msgspec.to_builtins(role.can)
    words = [
        name if value is True else f"{name}: {', '.join(value) if isinstance(value, list | tuple) else value}"
        for name, value in values.items()
        if value
    ]
    return f"Can: {'; '.join(words)}.\n" if words else ""


def _options(options: Mapping[str, Option], prefix: str = "") -> str:
    rows = _rows(options, prefix)
    return _table(["option", "type", "default", "meaning", "example"], rows) if rows else ""


def _rows(options: Mapping[str, Option], prefix: str) -> list[list[str]]:
    rows = []
    for name, one in options.items():
        kind = " \\| ".join(one.values) if one.values else f"{one.type} of {one.of}" if one.of else one.type
        default = "required" if one.required else _value(one.default)
        rows.append([f"`{prefix}{name}`", kind, default, _cell(one.help), _value(one.example)])
        rows += _rows(one.fields, f"{prefix}{name}.")
    return rows


def _value(value: Any) -> str:
    if value is None:
        return ""
    return f"`{_cell(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))}`"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
