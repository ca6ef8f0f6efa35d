"""Replays that did not end are ended by the DAG run that comes next, as ``dragoman run`` does."""

from __future__ import annotations

from logging import Logger
from typing import Any

from dragoman.core.flow import Flow
from dragoman.steps.replays.replay import finish_replays
from dragoman.steps.report import summary
from dragoman.steps.workplace import Workplace

__all__ = ["end_replays"]


def end_replays(flow: Flow, place: Workplace, log: Logger | Any) -> None:
    """End them, before a task begins to read.

    Raises:
        DragomanError: one has begun to deliver and cannot go on: until it can, nothing else may deliver.
    """
    for report in finish_replays(flow, place):
        log.info("%s", summary(report))
