"""What a status that is no success means for the run.

Source: RFC 9110, 15; RFC 8470 (425), RFC 6585 (429).
"""

from __future__ import annotations

from dragoman.core.errors import DOWN, THROTTLED, FatalError, RetriableError

__all__ = ["error_of"]

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


def error_of(status: int, place: str, said: str, asked: float | None) -> FatalError | RetriableError:
    """The error for a status.

    Args:
        status: The status of the answer.
        place: The URL, masked.
        said: The beginning of the body, masked.
        asked: Seconds that the server asks to wait, if it does.
    """
    told = f"{place} answered {status}" + (f": {said}" if said else "")
    if status == 429:
        return RetriableError(
            "http.throttled",
            told,
            next_step="let the integration run less often, or ask for larger pages",
            retry_after=asked,
            outage=THROTTLED,
        )
    if status in _PASSING or status > 504:
        return RetriableError("http.unavailable", told, next_step="look at the server", retry_after=asked, outage=DOWN)
    if status in {401, 403}:
        return FatalError(
            "http.denied", told, next_step="look at the connection's login, token or api_key, and at its rights"
        )
    if status in {404, 410}:
        return FatalError("http.not_found", told, next_step="correct path, or the connection's base URL")
    return FatalError("http.refused", told, next_step="correct path, params or headers as the answer says")
