"""The one table from error classes to what Airflow does."""

from datetime import timedelta

import pytest

from dragoman.core.errors import ConfigError, FatalError, RecordError, RetriableError


@pytest.mark.parametrize("kind", [ConfigError, FatalError, RecordError])
def test_what_cannot_help_fails_at_once(kind):
    from airflow.sdk import RetryAction

    from dragoman.orchestration.retry import ErrorRetryPolicy

    decision = ErrorRetryPolicy().evaluate(kind("area.what", "no"), 1, 3)
    assert decision.action is RetryAction.FAIL
    assert "area.what" in decision.reason


@pytest.mark.parametrize(("asked", "waits"), [(None, None), (17.0, timedelta(seconds=17)), (9e9, timedelta(days=1))])
def test_what_may_pass_is_tried_again_when_the_peer_said(asked, waits):
    from airflow.sdk import RetryAction

    from dragoman.orchestration.retry import ErrorRetryPolicy

    decision = ErrorRetryPolicy().evaluate(RetriableError("http.busy", "later", retry_after=asked), 1, 3)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, waits)


def test_any_other_error_is_left_to_airflow():
    from airflow.sdk import RetryAction

    from dragoman.orchestration.retry import ErrorRetryPolicy

    assert ErrorRetryPolicy().evaluate(KeyError("x"), 1, 3).action is RetryAction.DEFAULT
