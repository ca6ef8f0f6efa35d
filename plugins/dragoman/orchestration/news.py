"""What is known of a run when something happened to it: from Airflow's context and from the ledger.

An Airflow context differs by where a callback runs: the task's process gives everything; the DAG processor, which
speaks for a task that was killed, has no exception and may have no task; the triggerer, which tells that a run is
late, has only what the REST API says of the DAG run. What is missing is left out, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dragoman.core import clock
from dragoman.core.errors import DragomanError
from dragoman.ledger.ledger import Ledger
from dragoman.ledger.rows import Run
from dragoman.orchestration.notifiers.message import FIGURES, Message

__all__ = ["GREEN", "Happening", "event_of", "find_run", "happening_of", "message_of", "message_of_context"]

GREEN = frozenset({"done", "nothing_new"})
RED = {"held": "held", "in_doubt": "in_doubt"}
_LONGEST = 1000


@dataclass(frozen=True)
class Happening:
    """What Airflow says of the moment at which a callback was called."""

    integration: str
    title: str = ""
    dag_id: str = ""
    dag_run_id: str = ""
    task_id: str = ""
    run_id: str = ""
    """The run that the task worked on, where the task can still say so."""
    exception: BaseException | None = None
    dag_reason: str = ""
    """In a callback of a whole DAG: Airflow's word for why it has failed, such as ``task_failure``."""
    deadline: float | None = None
    """For a late run: the seconds that it may take."""

    @property
    def trigger(self) -> str:
        """The DAG run as the ledger names it."""
        return f"{self.dag_id}/{self.dag_run_id}"


def happening_of(context: Mapping[str, Any], integration: str = "", title: str = "") -> Happening:
    """Read an Airflow context, however little it holds."""
    task_instance = context.get("ti") or context.get("task_instance")
    task = context.get("task") or getattr(task_instance, "task", None)
    dag_run = context.get("dag_run")
    dag_id = str(
        getattr(context.get("dag"), "dag_id", "")
        or getattr(task_instance, "dag_id", "")
        or _said(dag_run, "dag_id")
        or integration
    )
    exception = context.get("exception")
    return Happening(
        integration=integration or getattr(task, "integration", "") or dag_id,
        title=title,
        dag_id=dag_id,
        dag_run_id=str(
            context.get("run_id")
            or getattr(task_instance, "run_id", "")
            or _said(dag_run, "dag_run_id")
            or _said(dag_run, "run_id")
        ),
        task_id=str(getattr(task, "task_id", "") or getattr(task_instance, "task_id", "")),
        run_id=str(getattr(task, "dragoman_run_id", "")),
        exception=exception if isinstance(exception, BaseException) else None,
        dag_reason=str(context.get("reason") or ""),
    )


def find_run(ledger: Ledger, seen: Happening) -> Run | None:
    """The run in question: what the task says, else what this DAG run opened, else what it must have taken up."""
    if seen.run_id:
        return ledger.run(seen.run_id)
    return ledger.run_of_trigger(seen.integration, seen.trigger) or ledger.unfinished_run(seen.integration)


def event_of(run: Run | None, given: str = "") -> str:
    """What happened, by the run's state, where nobody says it."""
    if given:
        return given
    if run is not None and run.finished and run.state in GREEN:
        return "rejects" if run.figures.get("rejected") else "done"
    return RED.get(run.state, "failed") if run is not None else "failed"


def message_of(ledger: Ledger | None, run: Run | None, seen: Happening, event: str, reason: str = "") -> Message:
    """Everything that is known, as one message."""
    why, step = (reason, "") if reason else _why(ledger, run, seen, event)
    base = _base_url()
    dag, dag_run = quote(seen.dag_id, safe=""), quote(seen.dag_run_id, safe="")
    shown = quote(run.run_id, safe="") if run is not None else dag_run
    return Message(
        event=event,
        integration=seen.integration,
        title=seen.title,
        run_id=run.run_id if run is not None else "",
        dag_id=seen.dag_id,
        dag_run_id=seen.dag_run_id,
        state=run.state if run is not None else "",
        figures=_figures(ledger, run) if ledger is not None and run is not None else {},
        reason=_brief(why),
        next_step=step or _next_step(run, seen, event),
        run_link=f"{base}/dags/{dag}/runs/{dag_run}" if dag_run else "",
        figures_link=f"{base}/dragoman/runs/{dag}/{shown}" if shown else "",
        at=clock.now().isoformat(timespec="seconds"),
    )


def message_of_context(context: Mapping[str, Any], event: str = "") -> Message:
    """The message of a notifier that someone's own DAG uses; without the ledger it says what Airflow says."""
    from dragoman.orchestration.workplace import opened_workplace

    seen = happening_of(context)
    try:
        with opened_workplace(f"airflow:{seen.trigger}") as place:
            run = find_run(place.ledger, seen)
            return message_of(place.ledger, run, seen, event_of(run, event))
    except DragomanError:
        return message_of(None, None, seen, event or "failed")


def _why(ledger: Ledger | None, run: Run | None, seen: Happening, event: str) -> tuple[str, str]:
    """The first reason, and the next step that came with it."""
    if event == "late":
        return f"it has not ended within {_spoken(seen.deadline)}" if seen.deadline else "it has not ended in time", ""
    if event in {"held", "rejects"} and ledger is not None and run is not None:
        first = ledger.first_reject(run.run_id)
        told = f"{run.error}; the first: " if run.error else "the first: "
        where = f"{first.position}: " if first is not None and first.position else ""
        return (f"{told}{where}{first.message} [{first.code}]" if first is not None else run.error), ""
    if event == "in_doubt" and run is not None:
        return f"{run.figures.get('in_doubt', 0):,} outputs may or may not have reached the destination", ""
    if run is not None and run.error:
        reason, _, step = run.error.partition(" Next: ")
        return reason, step
    if seen.exception is not None:
        error = seen.exception
        if isinstance(error, DragomanError):
            return f"{error.message} [{error.code}]", error.next_step
        return f"{type(error).__name__}: {error}", ""
    if event == "failed" and seen.dag_reason:
        return f"the DAG run has failed ({seen.dag_reason})", ""
    if event == "failed":
        what = f"the task {seen.task_id}" if seen.task_id else "a task"
        return f"{what} ended without an error of its own: its process was killed, or its machine was lost", ""
    return "", ""


def _next_step(run: Run | None, seen: Happening, event: str) -> str:
    name, run_id = seen.integration, run.run_id if run is not None else ""
    if event == "held":
        return (
            f"dragoman rejects {name} --run {run_id}; then one of: dragoman resume {run_id} (after correcting the "
            f"mapping) | dragoman accept {run_id} (deliver the good records) | dragoman abandon {run_id}"
        )
    if event == "rejects":
        return f"dragoman rejects {name} --run {run_id}"
    if event in {"recovered", "done"}:
        return "nothing to do"
    if event == "failed" and run is not None and not run.finished:
        return f"dragoman run {name} (or the next DAG run) goes on where it stopped; dragoman runs {name} shows it"
    return f"dragoman runs {name}"


def _figures(ledger: Ledger, run: Run) -> dict[str, int]:
    """The five figures of a closed run, or what its nodes have counted so far."""
    if run.figures:
        return {name: int(run.figures.get(name, 0)) for name in FIGURES}
    counts = [row.counts for row in ledger.nodes(run.run_id)]
    return {name: sum(int(each.get(name, 0)) for each in counts) for name in FIGURES}


def _base_url() -> str:
    """Where people reach Airflow (``[api] base_url``)."""
    from airflow.configuration import conf

    given = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return given or f"http://localhost:{conf.get('api', 'port', fallback='8080')}"


def _brief(text: str) -> str:
    """On one line and of a bearable length."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _spoken(seconds: float | None) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds and seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds or 0:g} s"


def _said(dag_run: Any, name: str) -> str:
    """A word of a DAG run, which is an object in tasks and a map in deadlines."""
    found = dag_run.get(name) if isinstance(dag_run, Mapping) else getattr(dag_run, name, "")
    return str(found or "")
