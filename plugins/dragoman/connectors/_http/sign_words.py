"""The names and words by which APIs tell whether something worked; names in lower case, letters and digits only."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = [
    "BAD_WORDS",
    "CODES",
    "ERRORS",
    "FLAGS",
    "GOOD_WORDS",
    "HALF_WORDS",
    "LATER_WORDS",
    "STATES",
    "STATUS",
    "TELLING",
    "plain_name",
    "speaks_of_errors",
    "speaks_of_leftovers",
]

STATUS = frozenset({"httpcode", "httpstatus", "httpstatuscode", "status", "statuscode"})
"""Keys of a status, as an integer or as text."""

STATES = STATUS | {"state", "result", "outcome"}
"""Keys of a status, or of a word in its place."""

FLAGS = frozenset(
    {"accepted", "isok", "issucceeded", "issuccess", "issuccessful", "ok", "succeeded", "success", "successful"}
)
"""Keys of a yes where it worked."""

ERRORS = frozenset(
    {
        "errcode",
        "errno",
        "error",
        "errorcode",
        "errorcount",
        "errormessage",
        "errormsg",
        "errors",
        "exception",
        "exceptions",
        "failed",
        "failedcount",
        "failedrecordcount",
        "failure",
        "failurecount",
        "failures",
        "fault",
        "faults",
        "haserror",
        "haserrors",
        "hasfailures",
        "iserror",
        "isfailed",
        "numerrors",
        "numfailed",
        "rejected",
        "unprocessed",
    }
)
"""Keys that hold something where it failed: an error, a yes, a list or a number of them."""

CODES = frozenset({"code"})

TELLING = frozenset({"body", "description", "detail", "details", "message", "msg", "reason", "title"})
"""Keys of a sentence; beside one of them a code of 400 and more is a status."""

_OF_ERRORS = re.compile(r"error|fail|reject|invalid|exception|(?<!de)fault")
_OF_LEFTOVERS = re.compile(r"unprocess|notprocessed|skipped|ignored")


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """A key without its style: ``isSuccess``, ``is_success`` and ``Is-Success`` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def speaks_of_errors(plain: str) -> bool:
    """Whether a list or an object under this key is one of errors: ``insertErrors``, ``FailedItems``."""
    return _OF_ERRORS.search(plain) is not None


def speaks_of_leftovers(plain: str) -> bool:
    """Whether a list or an object under this key is what was not taken: ``UnprocessedItems``."""
    return _OF_LEFTOVERS.search(plain) is not None


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
