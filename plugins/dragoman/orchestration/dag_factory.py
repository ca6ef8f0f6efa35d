"""Makes Airflow DAGs of compiled integrations: one integration, one DAG, always the same bytes for the same file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param

from dragoman.core.flow import Flow
from dragoman.core.task_graph import TaskPlan, tasks_of
from dragoman.orchestration.alerts import RunAlerts
from dragoman.orchestration.doc import doc_of
from dragoman.orchestration.operators import (
    ASSET_SCHEME,
    DeliverOperator,
    DragomanOperator,
    ExtractOperator,
    ReconcileOperator,
    RunOperator,
    TranslateOperator,
)
from dragoman.orchestration.pools import pool_of, pools_are_made
from dragoman.orchestration.retry import MIN_RETRIES
from dragoman.orchestration.rights.words import ACCESS_PARAM, written_access

__all__ = ["STALE", "TAG", "dag_of"]

TAG = "dragoman"
STALE = "stale"
START = datetime(2024, 1, 1, tzinfo=UTC)
"""A fixed day in the past: without catchup it decides nothing, and a moving one would be a new version each time."""


def dag_of(flow: Flow, *, stale: bool = False) -> DAG:
    """The DAG of one integration; ``stale`` marks the last good copy of a file that is broken now."""
    dag = DAG(
        flow.integration,
        description=flow.title or None,
        schedule=_schedule(flow),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        max_active_tasks=1,
        default_args={"owner": flow.owner or "dragoman"},
        tags=_tags(flow, stale=stale),
        doc_md=doc_of(flow, stale=stale),
        deadline=_deadline(flow),
    )
    plans = tasks_of(flow)
    alerts = RunAlerts(flow) if flow.alerts else None
    for plan in plans:
        task = _task(flow, plan, dag, alerts)
        if plan.upstream:
            task.set_upstream([dag.get_task(task_id) for task_id in plan.upstream])
    _set_params(dag, flow)
    return dag


def _set_params(dag: DAG, flow: Flow) -> None:
    """Parameters that are shown with the DAG and cannot be set when it is triggered.

    They are set last and one by one: given to the DAG, each would be validated against a JSON Schema at every parse,
    and every task would copy, validate and serialise them once more (half of the cost of a DAG).
    """
    dag.params["digest"] = _const(flow.digest, "SHA-256 over the integration and the files it names")
    if flow.policy.max_parallel is not None:
        dag.params["max_parallel"] = _const(flow.policy.max_parallel, "Slots of a pool that is made for a connection")
    if flow.access:
        dag.params[ACCESS_PARAM] = _const(written_access(flow.access), "Roles and their rights")


def _task(flow: Flow, plan: TaskPlan, dag: DAG, alerts: RunAlerts | None) -> DragomanOperator:
    given: dict[str, Any] = {
        "task_id": plan.task_id,
        "dag": dag,
        "integration": flow.integration,
        "flow": flow,
        "retries": max(MIN_RETRIES, flow.policy.retries),
        "max_active_tis_per_dag": 1,
    }
    if flow.policy.max_parallel is not None and plan.connection and pools_are_made():
        given["pool"] = pool_of(plan.connection)
    if alerts is not None:
        given["on_failure_callback"] = alerts.failed
    if plan.step == "extract":
        return ExtractOperator(source=plan.node, **given)
    if plan.step == "translate":
        return TranslateOperator(node=plan.node, **given)
    if plan.step == "deliver":
        return DeliverOperator(node=plan.node, **given)
    if alerts is not None:
        given["on_success_callback"] = alerts.succeeded
    given["outlets"] = [_asset(flow.integration)]
    return RunOperator(**given) if plan.step == "run" else ReconcileOperator(**given)


def _schedule(flow: Flow) -> Any:
    if flow.cron:
        return CronTriggerTimetable(flow.cron, timezone=flow.timezone or "UTC")
    return [_asset(name) for name in flow.after] or None


def _asset(integration: str) -> Asset:
    """What a closed run announces, and what ``schedule: {after: …}`` waits for."""
    return Asset(name=f"{ASSET_SCHEME}{integration}", uri=f"{ASSET_SCHEME}{integration}")


def _tags(flow: Flow, *, stale: bool) -> list[str]:
    connectors = {source.connector for source in flow.sources} | {spec.connector for spec in flow.deliveries}
    owner = {flow.owner} if flow.owner else set()
    return sorted({TAG} | connectors | owner | ({STALE} if stale else set()))


def _deadline(flow: Flow) -> Any:
    if flow.policy.deadline is None:
        return None
    from dragoman.orchestration.deadline import deadline_of

    return deadline_of(flow, flow.policy.deadline)


def _const(value: Any, text: str) -> Param:
    return Param(value, description=text, source="dag", const=value)
