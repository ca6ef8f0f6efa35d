"""Every error class of the package reaches a row of the table, and how long to wait reaches Airflow."""

from __future__ import annotations

import importlib
import pkgutil

import dragoman
from dragoman.core.errors import DragomanError, RetriableError
from dragoman.orchestration.retry import BEHAVIOUR, ErrorRetryPolicy


def test_every_error_class_reaches_a_row():
    for module in pkgutil.walk_packages(dragoman.__path__, "dragoman."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            importlib.import_module(module.name)
    kinds = [DragomanError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    ours = [kind for kind in kinds[1:] if kind.__module__.startswith("dragoman.")]
    assert len(ours) > len(BEHAVIOUR)
    for kind in ours:
        rows = [row for row in BEHAVIOUR if issubclass(kind, row)]
        assert len(rows) == 1, f"{kind.__name__}: {rows}"


def test_an_open_circuit_is_waited_for():
    from datetime import timedelta

    error = RetriableError("connection.circuit_open", "later", retry_after=63.5)
    assert ErrorRetryPolicy().evaluate(error, 1, 3).retry_delay == timedelta(seconds=63.5)
