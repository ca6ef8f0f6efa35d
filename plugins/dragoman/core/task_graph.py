"""Which tasks an integration becomes, and in what order: a plain graph, made without Airflow.

With one source and one delivery the ids are the four verbs; otherwise the node's name follows the verb
(``extract_orders``, ``deliver_erp``). Only whole-set translations are tasks; the others work inside the delivery.
"""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.core.flow import Flow, SourceSpec, TranslationSpec

__all__ = ["TaskPlan", "tasks_of"]


@dataclass(frozen=True)
class TaskPlan:
    """One task: ``step`` is the verb, ``node`` what it works on, ``connection`` the system that it keeps busy."""

    task_id: str
    step: str
    node: str = ""
    connection: str = ""
    upstream: tuple[str, ...] = ()


def tasks_of(flow: Flow) -> tuple[TaskPlan, ...]:
    """The tasks, each after those that it waits for; the last one closes the run."""
    if flow.policy.tasks == "single":
        return (TaskPlan("run", "run"),)
    graph = _Graph(flow)
    plans = [
        TaskPlan(graph.source_task[source.name], "extract", source.name, source.connection) for source in flow.sources
    ]
    plans += [
        TaskPlan(graph.set_task[spec.node], "translate", spec.node, upstream=graph.behind_all(spec))
        for spec in graph.sets
    ]
    plans += [
        TaskPlan(task_id, "deliver", spec.node, spec.connection, graph.before(spec.input))
        for spec, task_id in zip(flow.deliveries, _ids("deliver", [d.node for d in flow.deliveries]), strict=True)
    ]
    waited_for = {task_id for plan in plans for task_id in plan.upstream}
    ends = tuple(plan.task_id for plan in plans if plan.task_id not in waited_for)
    return (*plans, TaskPlan("reconcile", "reconcile", upstream=ends))


class _Graph:
    """Looks up which task makes what a node takes in."""

    def __init__(self, flow: Flow) -> None:
        self.translations = {spec.node: spec for spec in flow.translations}
        self.sets = [spec for spec in flow.translations if spec.is_set]
        self.source_task = dict(
            zip((s.name for s in flow.sources), _ids("extract", [s.name for s in flow.sources]), strict=True)
        )
        self.set_task = dict(
            zip((t.node for t in self.sets), _ids("translate", [t.node for t in self.sets]), strict=True)
        )
        self.stream_source: dict[str, SourceSpec] = {
            stream.node: source for source in flow.sources for stream in source.streams
        }

    def before(self, node: str) -> tuple[str, ...]:
        """The tasks that must have ended before something can take what ``node`` hands on."""
        if node in self.set_task:
            return (self.set_task[node],)
        if node in self.translations:
            return self.behind_all(self.translations[node])
        return (self.source_task[self.stream_source[node].name],)

    def behind_all(self, spec: TranslationSpec) -> tuple[str, ...]:
        """The tasks behind a translation's inputs and lookups, each once, in a fixed order."""
        nodes = [*spec.inputs, *(lookup.source for lookup in spec.lookups)]
        return tuple(dict.fromkeys(task_id for node in nodes for task_id in self.before(node)))


def _ids(verb: str, nodes: list[str]) -> list[str]:
    if len(nodes) == 1:
        return [verb]
    return [f"{verb}_{node.removeprefix(verb + '.')}" for node in nodes]
