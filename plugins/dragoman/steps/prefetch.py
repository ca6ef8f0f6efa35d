"""Overlap: an iterator that works ahead in a thread of its own.

Reading, staging, translating and sending each release the interpreter's lock in their native code, so a bounded queue
between them is all that overlapping needs.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

__all__ = ["Prefetch"]

T = TypeVar("T")


class _End:
    """What the thread puts last: the error that ended it, or None."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Prefetch(Generic[T]):
    """Iterate over ``source``, up to ``depth`` items ahead; an error of the source is raised where it would have been.

    As a context manager it stops the thread on the way out, whatever happened.
    """

    def __init__(self, source: Iterable[T], depth: int = 1, name: str = "prefetch") -> None:
        self._source = source
        self._queue: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._items()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def _items(self) -> Iterator[T]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _work(self) -> None:
        end = _End(None)
        try:
            for item in self._source:
                self._queue.put(item)
                if self._stop.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - carried over to the consumer, which raises it
            end = _End(error)
        finally:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
            self._queue.put(end)
