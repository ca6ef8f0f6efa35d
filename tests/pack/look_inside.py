"""Run by the Python of a fresh environment: prints as JSON what its Airflow sees there. Arguments: what to look at."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def plugins() -> dict[str, Any]:
    """The plugins of both of Airflow's loaders, the core's and the task SDK's, in either order."""
    from airflow.sdk import plugins_manager as sdk

    from airflow import plugins_manager as core

    seen = {}
    for name, manager in (("core", core), ("sdk", sdk)):
        found, errors = manager._get_plugins()
        seen[name] = {str(plugin.name): str(plugin.source) for plugin in found}
        seen[f"{name} count"] = len(found)
        seen[f"{name} errors"] = {str(key): str(value) for key, value in errors.items()}
    apps, _ = core.get_fastapi_plugins()
    seen["apps"] = [app["url_prefix"] for app in apps]
    seen["links"] = [link.name for link in core.get_operator_extra_links()]
    return seen


def hooks() -> dict[str, str | None]:
    """Each connection type and the hook class behind it."""
    from airflow.providers_manager import ProvidersManager

    return {kind: hook.hook_class_name if hook else None for kind, hook in ProvidersManager().hooks.items()}


def dags(folder: str) -> Any:
    """The DAGs of a folder as the DAG processor reads it, each with its tasks, and the import errors."""
    bag = _bag(folder)
    return {
        "dags": {dag_id: [task.task_id for task in dag.tasks] for dag_id, dag in bag.dags.items()},
        "errors": bag.import_errors,
    }


def run(folder: str, dag_id: str) -> str:
    """Run a DAG to its end in this process; returns the state of its run."""
    return str(_bag(folder).dags[dag_id].test().state)


def results(folder: str, *dag_ids: str) -> dict[str, Any]:
    """Run some DAGs of a folder; returns for each the state and the result of each task."""
    return {dag_id: _results(_bag(folder).dags[dag_id].test()) for dag_id in dag_ids}


def _results(run: Any) -> dict[str, list[Any]]:
    return {one.task_id: [str(one.state), one.xcom_pull(one.task_id)] for one in run.get_task_instances()}


def package() -> str:
    """The folder that the package was imported from."""
    import dragoman

    return str(Path(dragoman.__file__).parent)


def _bag(folder: str) -> Any:
    from airflow.dag_processing.dagbag import BundleDagBag

    return BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")


if __name__ == "__main__":
    seen = {}
    for words in sys.argv[1:]:
        what, *given = words.split(",")
        seen[what] = {
            "plugins": plugins,
            "hooks": hooks,
            "dags": dags,
            "run": run,
            "results": results,
            "package": package,
        }[what](*given)
    print("\n" + json.dumps(seen))
