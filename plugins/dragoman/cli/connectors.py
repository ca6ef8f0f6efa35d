"""``dragoman connectors [list|show NAME|test CONN_ID]``."""

from __future__ import annotations

import argparse
import importlib
import importlib.util

import msgspec

from dragoman.cli.output import emit, emit_json, table
from dragoman.core.errors import ConfigError
from dragoman.core.manifest import DestinationRole, Manifest, Option, SourceRole
from dragoman.core.option_terms import told
from dragoman.core.registry import manifests
from dragoman.language.words import nearest

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``list`` if nothing is said."""
    parser.add_argument("action", nargs="?", choices=("list", "show", "test"), default="list", help="list by default")
    parser.add_argument("name", nargs="?", metavar="NAME", help="show: a connector; test: the id of a connection")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; ``test`` ends with 1 where the system cannot be reached for now."""
    if args.action == "list":
        return _list(as_json=args.json)
    if not args.name:
        what = "a connector" if args.action == "show" else "a connection"
        raise ConfigError("cli.name_missing", f"connectors {args.action} without {what}", next_step="write its name")
    if args.action == "show":
        return _show(_find(args.name), as_json=args.json)
    return _test(args.name, as_json=args.json)


def _list(*, as_json: bool) -> int:
    if as_json:
        emit_json(msgspec.to_builtins(list(manifests().values())))
        return 0
    rows = [
        (one.connector, "yes" if one.source else "no", _modes(one), one.support, one.summary)
        for one in manifests().values()
    ]
    emit(table(("NAME", "READS", "WRITES", "SUPPORT", "SUMMARY"), rows))
    return 0


def _modes(manifest: Manifest) -> str:
    return ", ".join(manifest.destination.can.modes) if manifest.destination else "no"


def _find(name: str) -> Manifest:
    known = manifests()
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near else "dragoman connectors list"
        raise ConfigError("connector.unknown", f"no connector {name!r}; there are {', '.join(known)}", next_step=hint)
    return known[name]


def _show(manifest: Manifest, *, as_json: bool) -> int:
    if as_json:
        emit_json(msgspec.to_builtins(manifest))
        return 0
    emit(f"{manifest.title} ({manifest.connector}), {manifest.support}")
    emit(manifest.summary)
    if manifest.connection is not None:
        emit(f"\nconnection of type {' or '.join(manifest.connection.types)}, such as {manifest.connection.example}")
        for name, field in manifest.connection.fields.items():
            emit(f"  {name}{' (required)' if field.required else ''}: {field.help}")
    for title, role in (("as source", manifest.source), ("as destination", manifest.destination)):
        if role is not None:
            _show_role(title, role)
    return 0


def _show_role(title: str, role: SourceRole | DestinationRole) -> None:
    emit(f"\n{title}: {role.guarantee}")
    for case in role.guarantees:
        emit(f"  {told(case.given)}: {case.says}")
    can = msgspec.to_builtins(role.can)
    emit("  can: " + ", ".join(f"{name} {_said(value)}" for name, value in can.items()))
    for name, option in role.options.items():
        _show_option(name, option, "  ")
    for group in role.one_of:
        emit(f"  just one of {', '.join(group)}")


def _show_option(name: str, option: Option, indent: str) -> None:
    marks = [option.type if option.type != "enum" else "|".join(option.values)]
    marks += ["required"] if option.required else []
    marks += [f"default {_said(option.default)}"] if option.default is not None else []
    emit(f"{indent}{name} ({', '.join(marks)}): {option.help}")
    for inner, value in option.fields.items():
        _show_option(inner, value, indent + "  ")


def _said(value: object) -> str:
    if isinstance(value, list | tuple):
        return "/".join(map(str, value))
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _test(conn_id: str, *, as_json: bool) -> int:
    from dragoman.cli.connections import connection_store

    connection = connection_store().get(conn_id)
    takers = [one for one in manifests().values() if one.connection and connection.conn_type in one.connection.types]
    if not takers:
        known = sorted({kind for one in manifests().values() if one.connection for kind in one.connection.types})
        raise ConfigError(
            "connection.wrong_type",
            f"connection {conn_id!r} is of type {connection.conn_type!r}, which no connector takes",
            next_step="types that one takes: " + ", ".join(known),
        )
    module = f"dragoman.connectors.{takers[0].connector}.check"
    if importlib.util.find_spec(module) is None:
        raise ConfigError(
            "connection.no_test",
            f"the connector {takers[0].connector!r} has no test of its connections",
            next_step="dragoman preview an integration that reads by it",
        )
    answer = str(importlib.import_module(module).check_connection(connection))
    if as_json:
        emit_json({"connection": conn_id, "connector": takers[0].connector, "ok": True, "answer": answer})
    else:
        emit(f"{conn_id} ({takers[0].connector}): {answer}")
    return 0
