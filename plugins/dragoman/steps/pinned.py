"""The copy of its integration that a run keeps in the stage: every task and every try of the run works by it."""

from __future__ import annotations

import msgspec

from dragoman.core.errors import FatalError
from dragoman.core.flow import Flow
from dragoman.ledger.rows import Run
from dragoman.steps.workplace import Workplace

__all__ = ["find_pinned", "pinned_files", "pinned_flow"]

_PINNED = "flow.json"


def pinned_files(flow: Flow) -> dict[str, bytes]:
    """The files that a run keeps of its integration: the compiled form (with all that it names) and the YAML."""
    return {_PINNED: msgspec.json.encode(flow), "integration.yaml": flow.text.encode()}


def pinned_flow(place: Workplace, run: Run) -> Flow:
    """The copy of its integration that a run keeps; ``FatalError`` where the stage has lost it."""
    pinned = find_pinned(place, run)
    if pinned is None:
        raise FatalError(
            "run.copy_missing",
            f"run {run.run_id} has no copy of its integration in the stage {place.stage.url}",
            next_step="point DRAGOMAN_STAGE or DRAGOMAN_HOME to the folder it was staged in, "
            f"or: dragoman abandon {run.run_id}",
        )
    return pinned


def find_pinned(place: Workplace, run: Run) -> Flow | None:
    """The copy, or None where the stage has lost it; ``FatalError`` where it cannot be read."""
    files = place.stage.run(run.integration, run.run_id).pinned()
    if _PINNED not in files:
        return None
    try:
        return msgspec.json.decode(files[_PINNED], type=Flow)
    except msgspec.DecodeError as error:
        raise FatalError(
            "run.copy_unreadable",
            f"the copy of its integration that run {run.run_id} keeps cannot be read: {error}",
            next_step=f"dragoman abandon {run.run_id}",
        ) from error
