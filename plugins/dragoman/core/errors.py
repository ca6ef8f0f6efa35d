"""Errors, named by what the runner must do.

Every error has a stable code (``area.what``), one sentence that says what was found and where, and the next step a
person can take. Codes are listed in ``docs/codes.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "DOWN",
    "THROTTLED",
    "ConfigError",
    "DragomanError",
    "FatalError",
    "Problem",
    "RecordError",
    "RetriableError",
]

DOWN = "down"
THROTTLED = "throttled"
"""What an error may say of the system at the other end of a connection, which the circuit breaker counts."""


class DragomanError(Exception):
    """The root of all errors of this package; never raised itself."""

    def __init__(self, code: str, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.connection = ""
        """The connection at whose other end it happened, where that is known."""

    def __str__(self) -> str:
        """The sentence, the code and the next step, as a log shows them."""
        step = f" Next: {self.next_step}" if self.next_step else ""
        return f"{self.message} [{self.code}]{step}"


@dataclass(frozen=True)
class Problem:
    """One mistake in a file that a person wrote: where it is (1-based), what was found and what was expected."""

    file: str
    line: int
    column: int
    code: str
    found: str
    expected: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        """``file:line:column: found; expected …; did you mean …?``."""
        parts = [f"{self.file}:{self.line}:{self.column}: {self.found}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.nearest:
            parts.append(f"did you mean {self.nearest!r}?")
        return "; ".join(parts) + f" [{self.code}]"


class ConfigError(DragomanError):
    """Something that was written is wrong: fails at parse, is never retried (exit code 2)."""

    def __init__(self, code: str, message: str, *, next_step: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(code, message, next_step=next_step)
        self.problems = problems

    def __str__(self) -> str:
        """As every error; mistakes of a file bring a code each, so none is added."""
        return self.message if self.problems else super().__str__()

    @classmethod
    def of(cls, problems: list[Problem]) -> ConfigError:
        """All mistakes of a file in one error."""
        text = "\n".join(str(problem) for problem in problems)
        return cls(problems[0].code, text, problems=tuple(problems))


class RetriableError(DragomanError):
    """The world may be better later: Airflow retries the task, nothing is lost.

    ``retry_after`` is in seconds where the peer named it. ``outage``: ``DOWN`` where the peer as a whole cannot be
    reached or does not work, ``THROTTLED`` where it wants fewer requests; empty for everything else, such as a lock.
    """

    def __init__(
        self, code: str, message: str, *, next_step: str = "", retry_after: float | None = None, outage: str = ""
    ) -> None:
        super().__init__(code, message, next_step=next_step)
        self.retry_after = retry_after
        self.outage = outage


class FatalError(DragomanError):
    """Trying again cannot help: the run is red until a person acts; no retry."""


class RecordError(DragomanError):
    """One record is bad: it is rejected, counted against the reject limit, and the rest goes on."""

    def __init__(self, code: str, message: str, *, next_step: str = "", field: str = "") -> None:
        super().__init__(code, message, next_step=next_step)
        self.field = field
