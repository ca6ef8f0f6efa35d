"""The tools, each as its documentation shows it to a user: what is started, and with what environment."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from peers.world import World

__all__ = ["AIRFLOW", "DLT", "DRAGOMAN", "TOOLS", "Tool", "missing"]

TOP = Path(__file__).resolve().parents[2]
PROGRAMS = TOP / "benchmarks" / "peers" / "programs"
DLT_PYTHON = TOP / ".peers" / "dlt" / "bin" / "python"
OUR_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Tool:
    """One column of the table."""

    name: str
    command: Callable[[str], list[str]]
    """The command line for ``load``, ``send`` or ``read``."""
    environment: Callable[[World], dict[str, str]]
    points: Mapping[str, str] = field(default_factory=dict)
    """Commit points by name, and what arms each."""
    arms: str = "PEER_KILL"
    makes: str = "table"
    """What it makes of the destination by itself: ``nothing``, ``table``, or ``schema`` and table."""
    keeps: bool = True
    """Whether it keeps anything on the worker's disk between runs."""
    version: Callable[[], str] = field(default=lambda: "")

    def env(self, world: World, mode: str, **more: str) -> dict[str, str]:
        """The whole environment of one run."""
        kept = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")
        base = {name: os.environ[name] for name in kept if name in os.environ}
        shared = {"PEER_MODE": mode, "PEER_SRC": world.source, "PEER_DST": world.destination}
        return base | {"TZ": "UTC"} | shared | self.environment(world) | more


def _dlt_environment(world: World) -> dict[str, str]:
    return {
        "PEER_DST": world.destination.replace("dragoman@", "dragoman:any@"),  # dlt asks for a password
        "PEER_HOME": str(world.work),
        "DLT_DATA_DIR": str(world.work),
        "HOME": str(world.work),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "LOAD__WORKERS": "1",
    }


def _airflow_environment(world: World) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(world.work),
        "AIRFLOW_CONN_PEER_SRC": world.source,
        "AIRFLOW_CONN_PEER_DST": world.destination,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(world.work / "none"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }


def _dragoman_environment(world: World) -> dict[str, str]:
    return {
        "AIRFLOW_CONN_SRC": world.source,
        "AIRFLOW_CONN_DST": world.destination,
        "DRAGOMAN_HOME": str(world.work / "home"),
        "DRAGOMAN_INTEGRATIONS": str(world.folder / "integrations"),
    }


def _dlt_version() -> str:
    code = "import importlib.metadata as m; print(m.version('dlt'))"
    return subprocess.run([DLT_PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _airflow_version() -> str:
    names = ("apache-airflow-core", "apache-airflow-providers-postgres", "apache-airflow-providers-http")
    short = ("Airflow", "postgres provider", "http provider")
    return ", ".join(f"{word} {importlib.metadata.version(name)}" for word, name in zip(short, names, strict=True))


_ON_THE_WAY = (
    "run.opened",
    "extract.batch.written",
    "extract.batch.renamed",
    "extract.batch.recorded",
    "extract.sealed",
    "translate.batch.done",
    "deliver.batch.sent",
    "deliver.prepared",
    "deliver.committed",
    "deliver.recorded",
    "reconcile.judged",
    "reconcile.closed",
)
DRAGOMAN = Tool(
    "Dragoman",
    lambda _what: [str(OUR_BIN / "dragoman"), "run", "orders", "--json"],
    _dragoman_environment,
    {point: point for point in _ON_THE_WAY},
    arms="DRAGOMAN_FAILPOINT",
    version=lambda: importlib.metadata.version("dragoman"),
)
DLT = Tool(
    "dlt",
    lambda what: [str(DLT_PYTHON), str(PROGRAMS / f"dlt_{what}.py")],
    _dlt_environment,
    {
        "rows committed, before the marker": "after_db_commit_before_marker:orders",
        "state committed, before the marker": "after_db_commit_before_marker:_dlt_pipeline_state",
        "after the marker, before the move": "after_marker_before_move:orders",
        "before the row of _dlt_loads": "before_dlt_loads_row",
        "after the row of _dlt_loads": "after_dlt_loads_row",
    },
    makes="schema",
    version=_dlt_version,
)
AIRFLOW = Tool(
    "Airflow hooks by hand",
    lambda what: [str(OUR_BIN / "python"), str(PROGRAMS / f"airflow_{what}.py")],
    _airflow_environment,
    {
        "after the first commit": "after_commit:1",
        "after the third commit": "after_commit:3",
        "after the last commit": "after_commit:last",
    },
    makes="nothing",
    keeps=False,
    version=_airflow_version,
)
TOOLS = (DRAGOMAN, DLT, AIRFLOW)


def missing() -> str:
    """What is not installed, or empty."""
    return "" if DLT_PYTHON.exists() else f"{DLT_PYTHON} is missing: run benchmarks/peers/install, or make peers"
