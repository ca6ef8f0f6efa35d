"""The operators: thin shells over the steps, made by the factory and usable by hand in anyone's own DAG.

Each names its integration in one of three ways: ``integration="name"`` (a file of the integrations folder),
``file="path.yaml"``, or ``definition={...}`` (the same keys as the YAML, inline). What a task does stands in
``dragoman.steps``, which is imported when the task runs and not when Airflow reads the DAG.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from airflow.sdk import Asset, BaseOperator

from dragoman.core.errors import ConfigError, DragomanError, FatalError
from dragoman.orchestration.interval import BACKFILL_PATIENCE, backfill_of, trigger_of
from dragoman.orchestration.link import RunFiguresLink
from dragoman.orchestration.retry import MAX_RETRY_DELAY, MIN_RETRIES, RETRY_DELAY, ErrorRetryPolicy

if TYPE_CHECKING:
    from dragoman.core.flow import Flow
    from dragoman.steps.backfill import Backfill
    from dragoman.steps.workplace import Workplace

__all__ = [
    "ASSET_SCHEME",
    "DeliverOperator",
    "DragomanOperator",
    "ExtractOperator",
    "ReconcileOperator",
    "RunOperator",
    "TranslateOperator",
]

ASSET_SCHEME = "dragoman://"
GREEN = frozenset({"done", "nothing_new"})
_FIGURES = ("read", "delivered", "rejected", "filtered", "in_doubt")
_ANNOUNCED = ("run_id", "state", "kind", "interval", *_FIGURES, "balanced", "seconds", "receipts")


class TakenUp(TypedDict):
    """Which run a task works on: one an earlier task opened, one of its DAG run, or a backfill's."""

    run_id: str
    trigger: str
    backfill: Backfill | None


class DragomanOperator(BaseOperator):
    """What all of them share: the integration, the retries, the link to the run's figures, the log.

    Args:
        integration: name of an integration in the integrations folder.
        file: path of one YAML file, instead of a name.
        definition: the integration inline, instead of either.
        flow: the compiled integration, as the factory hands it over.
        kwargs: those of every Airflow operator. ``retries`` is 2 unless written, and a retry waits as the error says.
    """

    template_fields: Sequence[str] = ()
    operator_extra_links = (RunFiguresLink(),)
    shallow_copy_attrs: Sequence[str] = ("flow",)
    ui_color = "#e8f1fb"

    def __init__(
        self,
        *,
        integration: str = "",
        file: str = "",
        definition: Mapping[str, Any] | None = None,
        flow: Flow | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("retries", MIN_RETRIES)
        kwargs.setdefault("retry_delay", RETRY_DELAY)
        kwargs.setdefault("max_retry_delay", MAX_RETRY_DELAY)
        kwargs.setdefault("retry_exponential_backoff", 2.0)
        kwargs.setdefault("retry_policy", ErrorRetryPolicy())
        super().__init__(**kwargs)
        self.integration = integration
        self.file = file
        self.definition = definition
        self.flow = flow
        self.dragoman_run_id = ""

    def execute(self, context: Any) -> Any:
        """Do the step; returns its facts or its report, which are references and figures only."""
        from dragoman.orchestration.workplace import opened_workplace

        flow = self.find_flow()
        trigger = trigger_of(context)
        backfill = backfill_of(context, flow)
        taken: TakenUp = {"run_id": self._run_id(context), "trigger": trigger, "backfill": backfill}
        with opened_workplace(f"airflow:{trigger}") as place:
            place.progress = _Progress(self.log)
            place.patience = BACKFILL_PATIENCE if backfill else 0.0
            try:
                facts = self.step(flow, place, taken)
            except DragomanError:
                with suppress(DragomanError):
                    self._say_red(flow, place, taken)
                raise
        self.dragoman_run_id = str(facts.get("run_id", ""))
        context["ti"].xcom_push(key="dragoman_run_id", value=self.dragoman_run_id)
        self._announce(context, facts)
        if facts.get("state", "done") not in GREEN:
            raise FatalError(
                "run.red",
                f"run {self.dragoman_run_id} of {flow.integration} is {facts['state']}",
                next_step=f"dragoman runs {flow.integration}",
            )
        return facts

    @abstractmethod
    def step(self, flow: Flow, place: Workplace, taken: TakenUp) -> dict[str, Any]:
        """The step of this operator."""

    def find_flow(self) -> Flow:
        """The compiled integration."""
        if self.flow is not None:
            return self.flow
        from dragoman.core.home import integrations_folder
        from dragoman.language import compile_definition, find_flow, load_flow

        given = [name for name in ("integration", "file", "definition") if getattr(self, name)]
        if len(given) != 1:
            raise ConfigError(
                "operator.which_integration",
                f"the task {self.task_id!r} names its integration {len(given)} times",
                next_step='write one of integration="name", file="path.yaml", definition={...}',
            )
        if self.definition:
            return compile_definition(self.definition, origin=f"the task {self.task_id}")
        return load_flow(Path(self.file)) if self.file else find_flow(self.integration, integrations_folder())

    def _run_id(self, context: Any) -> str:
        """The run that an earlier task of this DAG run worked on."""
        if not self.upstream_task_ids:
            return ""
        said = context["ti"].xcom_pull(task_ids=sorted(self.upstream_task_ids), key="dragoman_run_id")
        return next((run_id for run_id in said or () if run_id), "")

    def _say_red(self, flow: Flow, place: Workplace, taken: TakenUp) -> None:
        from dragoman.steps.report import report_of, summary

        ledger = place.ledger
        interval = taken["backfill"].interval if taken["backfill"] else None
        run = ledger.run_of_trigger(flow.integration, taken["trigger"])
        run = run or ledger.unfinished_run(flow.integration, interval)
        if run is not None:
            self.dragoman_run_id = run.run_id
            self.log.error("%s", summary(report_of(place, run.run_id)))

    def _announce(self, context: Any, facts: dict[str, Any]) -> None:
        """The summary in the task's log, and the figures in the asset event of a task with our asset as outlet."""
        if facts.get("note"):
            self.log.info("%s", facts["note"])
        if "state" not in facts:
            self.log.info("%s", _facts_text(facts))
            return
        from dragoman.steps.report import summary

        self.log.info("%s", summary(facts))
        for outlet in self.outlets or ():
            if isinstance(outlet, Asset) and outlet.uri.startswith(ASSET_SCHEME):
                context["outlet_events"][outlet].extra = {key: facts[key] for key in _ANNOUNCED if key in facts}


class ExtractOperator(DragomanOperator):
    """Reads one source, all its streams, into the stage."""

    def __init__(self, *, source: str = "source", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source

    def step(self, flow: Flow, place: Workplace, taken: TakenUp) -> dict[str, Any]:
        """See ``dragoman.steps.extract``."""
        from dragoman.orchestration.ended_replays import end_replays
        from dragoman.steps.extract import extract

        end_replays(flow, place, self.log)
        return extract(flow, place, self.source, **taken)


class DeliverOperator(DragomanOperator):
    """Translates the staged records and sends them to one destination."""

    def __init__(self, *, node: str = "deliver", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.node = node

    def step(self, flow: Flow, place: Workplace, taken: TakenUp) -> dict[str, Any]:
        """See ``dragoman.steps.deliver``."""
        from dragoman.steps.deliver import deliver

        return deliver(flow, place, self.node, **taken)


class ReconcileOperator(DragomanOperator):
    """Checks that every record is accounted for, moves the cursors, closes the run; its verdict is the DAG run's."""

    ui_color = "#e9f7ef"

    def step(self, flow: Flow, place: Workplace, taken: TakenUp) -> dict[str, Any]:
        """See ``dragoman.steps.reconcile``."""
        from dragoman.steps.reconcile import reconcile

        return reconcile(flow, place, **taken)


class RunOperator(DragomanOperator):
    """The whole run in one task, in which reading, staging and delivering overlap."""

    ui_color = "#e9f7ef"

    def step(self, flow: Flow, place: Workplace, taken: TakenUp) -> dict[str, Any]:
        """See ``dragoman.steps.run``."""
        from dragoman.orchestration.ended_replays import end_replays
        from dragoman.steps.run import run

        end_replays(flow, place, self.log)
        return run(flow, place, trigger=taken["trigger"], backfill=taken["backfill"])


class TranslateOperator(DragomanOperator):
    """A whole-set translation of an integration; or, with ``path`` and ``to``, one file format turned into another.

    Args:
        node: the translation within its integration.
        path: a file to read, instead of an integration (a template field).
        to: the file to write; it is there whole or not at all (a template field).
        from_format: format and options of ``path``, such as ``{"type": "csv", "delimiter": ";"}``; else by its ending.
        to_format: the same for ``to``.
        kwargs: as ``DragomanOperator``.
    """

    template_fields: Sequence[str] = ("path", "to")
    template_ext: ClassVar[Sequence[str]] = ()
    ui_color = "#fdf3e3"

    def __init__(
        self,
        *,
        node: str = "translate",
        path: str = "",
        to: str = "",
        from_format: Mapping[str, Any] | None = None,
        to_format: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.node = node
        self.path = path
        self.to = to
        self.from_format = from_format
        self.to_format = to_format

    def execute(self, context: Any) -> Any:
        """Translate within the integration, or from file to file: then it returns the number of records."""
        if not self.path:
            return super().execute(context)
        from dragoman.orchestration.file_translation import translate_file

        facts = translate_file(Path(self.path), Path(self.to), self.from_format, self.to_format)
        self.log.info("%s -> %s: %s records", facts["path"], facts["to"], facts["records"])
        return facts

    def step(self, flow: Flow, place: Workplace, taken: TakenUp) -> dict[str, Any]:
        """See ``dragoman.steps.translate``."""
        from dragoman.steps.translate import translate

        return translate(flow, place, self.node, **taken)


class _Progress:
    """Writes a line for every doubling of what was carried, so that a long task shows that it lives."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._next: dict[str, int] = {}

    def __call__(self, phase: str, records: int) -> None:
        if records < self._next.get(phase, 100_000):
            return
        self._next[phase] = records * 2
        self._log.info("%s: %s records so far", phase, f"{records:,}")


def _facts_text(facts: dict[str, Any]) -> str:
    lines = [f"{facts.get('integration', '')}: run {facts.get('run_id', '')}"]
    lines += [
        f"  {node:<24} " + "  ".join(f"{name} {number}" for name, number in counts.items())
        for node, counts in facts.get("nodes", {}).items()
    ]
    return "\n".join(lines)
