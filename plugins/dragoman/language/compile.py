"""Compiles one document: YAML in, a ``Flow`` out, or every mistake with its place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from dragoman.core.errors import Problem
from dragoman.core.flow import Flow, Policy
from dragoman.core.registry import registry
from dragoman.language.check_alerts import check_alerts
from dragoman.language.check_deletes import check_deletes
from dragoman.language.check_expressions import check_expressions
from dragoman.language.context import Context
from dragoman.language.document import GraphDocument, ShortDocument
from dragoman.language.forbidden import scan, take_later
from dragoman.language.graph import build_graph
from dragoman.language.reader import read_yaml
from dragoman.language.settings import PolicyBody
from dragoman.language.validate import validate
from dragoman.language.words import shown

__all__ = ["Compiled", "compile_content"]


_SHAPELESS = frozenset({"yaml.template", "yaml.key", "yaml.alias_bomb", "yaml.too_deep"})
"""After these the rest of the file says nothing that a person has written."""


class Compiled:
    """The outcome: ``flow`` (None where there are problems), and the hash of each file that it names."""

    def __init__(self, flow: Flow | None, problems: list[Problem], named: Mapping[str, str]) -> None:
        self.flow = flow
        self.problems = problems
        self.named = named


def compile_content(content: bytes, file: str, folder: Path) -> Compiled:
    """Compile the bytes of a file. ``folder`` holds the folders of named files, ``file`` is its name in messages."""
    reading = read_yaml(content, file)
    if reading.node is None or any(each.code in _SHAPELESS for each in reading.problems):
        return Compiled(None, reading.problems, {})
    if not isinstance(reading.value, dict):
        found = "a list" if isinstance(reading.value, list) else shown(reading.value)
        reading.add((), "document.not_a_map", f"{found} at the top", "a map with integration, source, deliver")
        return Compiled(None, reading.problems, {})
    scan(reading)
    take_later(reading)
    document = validate(reading)
    context = Context(reading, registry(), folder)
    flow = None
    if document is not None:
        context.folder = folder / document.integration
        flow = _flow(context, document)
    problems = sorted(reading.problems, key=lambda each: (each.file != file, each.file, each.line, each.column))
    return Compiled(None if problems else flow, problems, context.named)


def _flow(context: Context, document: ShortDocument | GraphDocument) -> Flow:
    graph = build_graph(context, document)
    check_expressions(context)
    check_deletes(context, graph)
    schedule = document.schedule
    if schedule is not None:
        _check_schedule(context, document)
    policy = _policy(document.policy or PolicyBody.model_validate({}))
    check_alerts(context, document.alerts, deadline=policy.deadline is not None)
    return Flow(
        integration=document.integration,
        title=document.title,
        owner=document.owner,
        file=context.reading.file,
        text=context.reading.text,
        digest=_digest(context),
        cron=(schedule.cron or "") if schedule else "",
        timezone=(schedule.timezone or "UTC") if schedule else "UTC",
        after=tuple(schedule.after or ()) if schedule else (),
        sources=tuple(graph.sources),
        translations=tuple(graph.translations),
        deliveries=tuple(graph.deliveries),
        policy=policy,
        alerts=tuple(alert.model_dump(exclude_none=True) for alert in document.alerts),
        access={team: list(rights) for team, rights in document.access.items()},
    )


def _check_schedule(context: Context, document: ShortDocument | GraphDocument) -> None:
    schedule = document.schedule
    if schedule is None or context.reading.problems:
        return
    if schedule.cron and schedule.after:
        context.add(("schedule", "after"), "schedule.two", "after beside cron", "one of cron, after", key=True)
    if not schedule.cron and not schedule.after:
        context.add(("schedule",), "schedule.empty", "a schedule without cron and after", "cron: or after:", key=True)
    if schedule.timezone and not schedule.cron:
        context.add(("schedule", "timezone"), "schedule.timezone", "timezone without cron", "cron: beside it", key=True)
    if document.integration in (schedule.after or ()):
        context.add(("schedule", "after"), "schedule.itself", "an integration after itself", "another one")


def _policy(body: PolicyBody) -> Policy:
    kept = body.retention.model_dump(exclude_none=True) if body.retention else {}
    limit = body.max_rejects
    return Policy(
        on_reject=body.on_reject,
        max_rate=limit.rate if limit else None,
        max_count=limit.count if limit else None,
        allow_empty=body.allow_empty,
        retries=body.retries,
        deadline=body.deadline,
        tasks=body.tasks,
        max_parallel=body.max_parallel,
        memory=body.memory,
        timeout=body.timeout,
        retention=kept,
    )


def _digest(context: Context) -> str:
    digest = hashlib.sha256(context.reading.text.encode())
    for name, text in sorted(context.named.items()):
        digest.update(b"\0" + name.encode() + b"\0" + text.encode())
    return digest.hexdigest()
