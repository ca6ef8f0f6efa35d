"""Whatever happens to a source, a run and a peer, in any order: after a drain all is there, once, and accounted for.

A short search in the suite, the same one each time; `make fuzz` searches anew, and long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from fault_cells import Worker
from fault_machine import FaultMachine

FULL = os.environ.get("DRAGOMAN_MATRIX") == "full"


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    FaultMachine.worker = made
    yield made
    made.close()


@pytest.mark.usefixtures("worker")
def test_after_a_drain_everything_is_there_once() -> None:
    run_state_machine_as_test(
        FaultMachine,
        settings=settings(
            max_examples=200 if FULL else 8,
            stateful_step_count=30 if FULL else 15,
            derandomize=not FULL,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
