"""What a failed exchange with a server means: which error, told without secrets."""

from __future__ import annotations

import ssl

import httpcore

from dragoman.connectors._http.location import Location
from dragoman.connectors._http.masking import Mask
from dragoman.core.errors import DOWN, FatalError, RetriableError

__all__ = ["failure_of"]


def failure_of(here: Location, error: Exception, timeout: float, mask: Mask) -> FatalError | RetriableError:
    """The error for what the transport raised. ``timeout`` is that of the request, in seconds."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return FatalError(
                "http.certificate",
                f"the certificate of {here.authority} was refused: {cause.verify_message or cause}",
                next_step="correct the server's certificate, or name its authority's file in the extra: ca",
            )
        cause = cause.__cause__ or cause.__context__
    said = mask.text(str(error)) or type(error).__name__
    if isinstance(error, httpcore.TimeoutException):
        return RetriableError(
            "http.timeout",
            f"{here.shown} did not answer in full within {timeout:g} s ({said})",
            next_step="write a longer timeout, or ask for smaller pages (paging.size)",
            outage=DOWN,
        )
    if isinstance(error, httpcore.ProtocolError):
        return RetriableError(
            "http.truncated",
            f"{here.shown} did not send a whole answer: {said}",
            next_step="nothing of it was taken over; if it stays so, look at the server or a proxy before it",
            outage=DOWN,
        )
    return RetriableError(
        "http.unreachable",
        f"{here.authority} cannot be reached: {said}",
        next_step="look at the connection's host and port, and whether the server is up",
        outage=DOWN,
    )
