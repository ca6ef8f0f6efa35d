"""The names and words by which APIs tell whether something worked."""

from __future__ import annotations

__all__ = [
    "BAD_WORDS",
    "CODES",
    "ERRORS",
    "FAILED_FLAGS",
    "FLAGS",
    "GOOD_WORDS",
    "HALF_WORDS",
    "LATER_WORDS",
    "STATES",
    "STATUS",
    "TELLING",
]

STATUS = frozenset(
    {"status", "statusCode", "status_code", "httpStatus", "http_status", "httpStatusCode", "http_status_code"}
)
"""Keys of a status, as an integer or as text."""

STATES = STATUS | {"state", "result", "outcome"}
"""Keys of a status, or of a word in its place."""

FLAGS = frozenset({"success", "successful", "succeeded", "ok", "isSuccess", "is_success", "isSuccessful", "accepted"})
"""Keys of a yes where it worked."""

FAILED_FLAGS = frozenset({"failed", "hasErrors", "has_errors", "isError", "is_error"})
"""Keys of a yes where it failed."""

ERRORS = frozenset(
    {
        "error",
        "errors",
        "failures",
        "failed",
        "rejected",
        "fault",
        "faults",
        "exception",
        "exceptions",
        "errorCode",
        "error_code",
        "errcode",
        "errno",
        "errorMessage",
        "error_message",
        "numErrors",
        "num_errors",
        "errorCount",
        "error_count",
        "failedCount",
        "failed_count",
        "FailedRecordCount",
        "failureCount",
    }
)
"""Keys that hold something where it failed: an error, a list or a number of them."""

CODES = frozenset({"code"})

TELLING = frozenset({"message", "msg", "detail", "description"})
"""Keys of a sentence; beside one of them a code of 400 and more is a status."""

GOOD_WORDS = frozenset(
    {
        "ok",
        "okay",
        "success",
        "successful",
        "succeeded",
        "created",
        "updated",
        "upserted",
        "inserted",
        "deleted",
        "removed",
        "accepted",
        "queued",
        "done",
        "complete",
        "completed",
        "processed",
        "saved",
        "stored",
        "unchanged",
        "noop",
        "no_change",
        "unmodified",
    }
)

BAD_WORDS = frozenset(
    {
        "error",
        "errors",
        "errored",
        "fail",
        "failed",
        "failure",
        "failing",
        "invalid",
        "rejected",
        "refused",
        "denied",
        "forbidden",
        "unauthorized",
        "not_found",
        "conflict",
        "exception",
        "bad_request",
        "fatal",
        "unprocessable",
        "aborted",
    }
)

HALF_WORDS = frozenset({"partial", "partially", "partial_success", "partial_failure", "mixed", "multi_status"})

LATER_WORDS = frozenset({"throttled", "rate_limited", "too_many_requests"})
