"""How the demo fails: a sentence, the log to read, and its last lines."""

from __future__ import annotations

from pathlib import Path

SHOWN_LINES = 15


class DemoError(Exception):
    """Something of the demo did not come up; ``log`` tells why."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log

    def report(self) -> str:
        """The sentence and the end of the log."""
        if self.log is None or not self.log.exists():
            return str(self)
        tail = self.log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        return "\n".join([f"{self}; its log is {self.log}, which ends so:", *(f"  | {line}" for line in tail)])
