"""``dragoman explain NAME``: what an integration compiles to."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from dragoman.cli.output import emit, emit_json
from dragoman.core.flow import DeliverySpec, Flow, StreamSpec
from dragoman.core.home import integrations_folder
from dragoman.core.option_terms import guarantee_of
from dragoman.core.registry import manifests
from dragoman.core.task_graph import tasks_of
from dragoman.language import find_flow

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``NAME`` is the integration's id, or the path of its YAML file."""
    parser.add_argument("name", metavar="NAME", help="the integration's id, or the path of its YAML file")


def run(args: argparse.Namespace) -> int:
    """Print the tasks, the nodes with their SQL, and the guarantee of each delivery."""
    said = explain(find_flow(args.name, integrations_folder()))
    if args.json:
        emit_json(said)
    else:
        _print(said)
    return 0


def explain(flow: Flow) -> dict[str, Any]:
    """All of it as plain data."""
    from dragoman.translation.explain import explain_sql

    return {
        "integration": flow.integration,
        "title": flow.title,
        "file": flow.file,
        "digest": flow.digest,
        "schedule": _schedule(flow),
        "tasks": [{"task": task.task_id, "after": list(task.upstream)} for task in tasks_of(flow)],
        "sources": [
            {
                "node": stream.node,
                "connector": source.connector,
                "connection": source.connection,
                "options": stream.options,
                "format": msgspec.to_builtins(stream.format),
                "cursor": msgspec.to_builtins(stream.cursor),
                "lookup_only": stream.lookup_only,
                "guarantee": _source_guarantee(source.connector, stream),
            }
            for source in flow.sources
            for stream in source.streams
        ],
        "translations": [
            {"node": each.node, "inputs": list(each.inputs), "whole_set": each.is_set, "sql": explain_sql(each)}
            for each in flow.translations
        ],
        "deliveries": [_delivery(each) for each in flow.deliveries],
        "policy": msgspec.to_builtins(flow.policy),
    }


def _schedule(flow: Flow) -> str:
    if flow.cron:
        return f"{flow.cron} ({flow.timezone})"
    return "after " + ", ".join(flow.after) if flow.after else "by hand"


def _source_guarantee(connector: str, stream: StreamSpec) -> str:
    role = manifests()[connector].source
    return guarantee_of(role, stream.options) if role else ""


def _delivery(spec: DeliverySpec) -> dict[str, Any]:
    role = manifests()[spec.connector].destination
    return {
        "node": spec.node,
        "input": spec.input,
        "connector": spec.connector,
        "connection": spec.connection,
        "mode": spec.mode,
        "key": list(spec.key),
        "when": "else" if spec.otherwise else spec.when,
        "options": spec.options,
        "format": msgspec.to_builtins(spec.format),
        "guarantee": guarantee_of(role, spec.options, spec.mode) if role else "",
    }


def _print(said: dict[str, Any]) -> None:
    emit(f"{said['integration']}{': ' + said['title'] if said['title'] else ''}")
    emit(f"runs {said['schedule']}; digest {said['digest'][:12]}; {said['file']}")
    emit("\ntasks")
    for task in said["tasks"]:
        emit(f"  {task['task']}{' after ' + ', '.join(task['after']) if task['after'] else ''}")
    for source in said["sources"]:
        emit(f"\nsource {source['node']}: {_end(source)}{' (only for lookups)' if source['lookup_only'] else ''}")
        emit(f"  {source['guarantee']}")
    for each in said["translations"]:
        whole = ", as a whole set" if each["whole_set"] else ""
        emit(f"\ntranslation {each['node']} of {', '.join(each['inputs'])}{whole}")
        emit("  " + each["sql"].replace("\n", "\n  "))
    for each in said["deliveries"]:
        key = f" by {', '.join(each['key'])}" if each["key"] else ""
        when = f" when {each['when']}" if each["when"] else ""
        emit(f"\ndelivery {each['node']} of {each['input']}{when}: {each['mode']}{key}, {_end(each)}")
        emit(f"  {each['guarantee']}")


def _end(each: dict[str, Any]) -> str:
    options = ", ".join(f"{name} {value}" for name, value in each["options"].items())
    kind = f", format {each['format']['type']}" if each["format"] else ""
    return f"{each['connector']} {each['connection']} ({options}{kind})"
