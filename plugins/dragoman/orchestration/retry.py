"""What Airflow does with each class of error: one table, read by every Dragoman task.

Airflow asks the policy in the worker, after the task has failed and before it decides about a retry. A task that dies
outside Python (a killed worker) is retried by Airflow's own count, which is why every task has at least two retries.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import RetryAction, RetryDecision, RetryPolicy

from dragoman.core.errors import ConfigError, DragomanError, FatalError, RecordError, RetriableError

__all__ = ["BEHAVIOUR", "MAX_RETRY_DELAY", "MIN_RETRIES", "RETRY_DELAY", "ErrorRetryPolicy"]

MIN_RETRIES = 2
"""A restart of Airflow's API server kills a task that is starting; without retries it would be lost."""

RETRY_DELAY = timedelta(seconds=30)
MAX_RETRY_DELAY = timedelta(minutes=10)

BEHAVIOUR: Mapping[type[DragomanError], RetryAction] = {
    ConfigError: RetryAction.FAIL,
    FatalError: RetryAction.FAIL,
    RecordError: RetryAction.FAIL,
    RetriableError: RetryAction.RETRY,
}


class ErrorRetryPolicy(RetryPolicy):
    """Fails at once what trying again cannot help, and waits as long as the peer asked."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow counts tries itself
        max_tries: int,  # noqa: ARG002
        context: Any = None,  # noqa: ARG002
    ) -> RetryDecision:
        """The decision for one failure; an error that is not ours is left to Airflow's own count."""
        action = next((action for kind, action in BEHAVIOUR.items() if isinstance(exception, kind)), None)
        if action is None:
            return RetryDecision.default()
        code = getattr(exception, "code", "")
        if action is RetryAction.FAIL:
            return RetryDecision.fail(reason=f"{code}: trying again cannot help")
        wait = getattr(exception, "retry_after", None)
        delay = None if wait is None else min(timedelta(seconds=wait), timedelta(days=1))
        return RetryDecision.retry(delay=delay, reason=f"{code}: it may pass")

    def serialize(self) -> dict[str, Any]:
        """Nothing to keep: the table is code."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> ErrorRetryPolicy:  # noqa: ARG003 - Airflow's signature
        """The policy has no state."""
        return cls()
