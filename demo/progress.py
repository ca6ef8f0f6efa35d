"""What the person at the terminal sees while the demo works: one line a step, with a running clock."""

from __future__ import annotations

import sys
import threading
import time
from typing import Self

SHOWN_EVERY = 0.25


class Step:
    """``with Step("Airflow"):`` prints ``Airflow … 31.2 s`` when it is done; ``note`` says what it waits for."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.text = ""
        self._began = time.monotonic()
        self._done = threading.Event()
        self._live = sys.stdout.isatty()
        self._drawer = threading.Thread(target=self._draw, daemon=True)

    def note(self, text: str) -> None:
        """Say what is going on; in a log without a terminal each new text is a line."""
        if text == self.text:
            return
        self.text = text
        if not self._live:
            self._print(f"    {self.seconds:5.1f} s  {text}\n")

    @property
    def seconds(self) -> float:
        """Since the step began."""
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        """Begin the line."""
        if self._live:
            self._drawer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """End the line with the verdict and the seconds."""
        self._done.set()
        if self._live:
            self._drawer.join()
            self._print("\r\x1b[2K")
        mark = "ok" if kind is None else "failed"
        self._print(f"  {self.title:<66} {self.seconds:6.1f} s  {mark}\n")

    def _draw(self) -> None:
        while not self._done.wait(SHOWN_EVERY):
            self._print(f"\r\x1b[2K  {self.title:<34} {self.seconds:6.1f} s  {self.text[:60]}")

    @staticmethod
    def _print(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
