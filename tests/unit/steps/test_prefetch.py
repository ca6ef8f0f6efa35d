"""An iterator that works ahead: order, errors, and no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dragoman.steps.prefetch import Prefetch


def threads_named(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_items_come_in_order_and_the_thread_ends() -> None:
    with Prefetch(range(100), depth=3, name="ahead-1") as items:
        assert list(items) == list(range(100))
    assert threads_named("ahead-1") == 0


def test_it_works_ahead_while_the_consumer_is_busy_but_no_further_than_its_depth() -> None:
    made: list[int] = []
    third = threading.Event()

    def source() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 2:
                third.set()
            yield number

    with Prefetch(source(), depth=1, name="ahead-2") as items:
        assert next(items) == 0
        assert third.wait(5)
        assert len(made) == 3


def test_an_error_of_the_source_is_raised_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), Prefetch(source(), name="ahead-3") as items:
        for item in items:
            assert item == 1
    assert threads_named("ahead-3") == 0


def test_leaving_early_closes_the_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    with Prefetch(source(), name="ahead-4") as items:
        next(items)
    assert closed.is_set()
    assert threads_named("ahead-4") == 0
