"""One cell of the fault matrix: a story, a failpoint, its nth passing, kill or raise; tried, tried again, and judged."""

from __future__ import annotations

import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dragoman.testing.checker import Claims, Fault, Verdict, judge, read_claims
from dragoman.testing.fault_server import FaultApi, fault_server
from fault_stories import Rows, Story
from warm_command import WarmCommand
from workshop import Workshop

TRIES = 3
Databases = Callable[[], tuple[str, Callable[[], None]]]
"""Gives the URL of a fresh database and what drops it."""


@dataclass(frozen=True)
class Cell:
    """``action``: ``kill`` or ``raise``; empty for a dry pass. ``peer``: what the API does wrong."""

    story: str
    failpoint: str = ""
    nth: int = 1
    action: str = ""
    peer: str = ""

    def __str__(self) -> str:
        stop = f"{self.failpoint}:{self.nth}:{self.action}" if self.failpoint else "not stopped"
        return f"{self.story}: {stop}" + (f", {self.peer}" if self.peer else "")


@dataclass
class Result:
    """What came of a cell."""

    cell: Cell
    verdict: Verdict
    passed: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{self.cell}\n" + "\n".join(f"    {fault}" for fault in self.verdict.faults[:5])


class Matrix:
    """Tries cells side by side, each in a folder of its own."""

    def __init__(self, folder: Path, databases: Databases, workers: int = 2) -> None:
        self.folder = folder
        self.databases = databases
        self.workers = [Worker() for _worker in range(workers)]
        self.results: list[Result] = []

    def close(self) -> None:
        for worker in self.workers:
            worker.close()

    def dry(self, story: Story) -> Result:
        """A pass without a fault: which failpoints lie on the way, and how often each is passed."""
        with self._shop(story, self.workers[0]) as shop:
            trace = shop.folder / "trace"
            done = shop.run(*story.words, failpoint=f"trace:{trace}")
            verdict = self._judged(story, shop, done.returncode)
            passed = Counter(trace.read_text().split()) if trace.exists() else Counter()
        return self._kept(Result(Cell(story.name), verdict, passed))

    def all_of(self, cells: Iterable[tuple[Story, Cell]]) -> list[Result]:
        """Try cells on all workers."""
        waiting = list(self.workers)

        def one(pair: tuple[Story, Cell]) -> Result:
            worker = waiting.pop()
            try:
                return self._tried(*pair, worker)
            finally:
                waiting.append(worker)

        with ThreadPoolExecutor(len(self.workers)) as pool:
            return list(pool.map(one, cells))

    def _tried(self, story: Story, cell: Cell, worker: Worker) -> Result:
        with self._shop(story, worker) as shop:
            point = f"{cell.failpoint}:{cell.nth}:{cell.action}" if cell.failpoint else ""
            before = story.found(shop)
            struck = shop.run(*story.words, failpoint=point)
            wanted = -signal.SIGKILL if cell.action == "kill" else 1
            if struck.returncode != wanted and not (cell.peer and struck.returncode in {0, 1}):
                fault = Fault("not_tried", f"the command ended with {struck.returncode}: {struck.stderr[-300:]}")
                return self._kept(Result(cell, Verdict((fault,))))
            half = _half(story, before, story.found(shop))
            for _try in range(TRIES):
                done = shop.run(*story.again)
                if done.returncode == 0:
                    break
            verdict = self._judged(story, shop, done.returncode)
            if not verdict.faults:
                verdict = self._judged(story, shop, shop.run("run", "orders", "--json").returncode)
            if verdict.faults:
                verdict = Verdict((*verdict.faults, Fault("said", done.stderr[-300:])))
            verdict = Verdict((*half, *verdict.faults))
        return self._kept(Result(cell, verdict))

    def _judged(self, story: Story, shop: Workshop, exit_code: int) -> Verdict:
        claims = claims_of(shop)
        verdict = judge(story.expected, story.found(shop), claims, exit_code=exit_code, counted=story.counted)
        doubts = sum(reject.state == "in_doubt" for reject in claims.rejects)
        if doubts > story.doubts:
            more = Fault("needless_doubt", f"{doubts} in doubt, {story.doubts} may be")
            return Verdict((*verdict.faults, more))
        return verdict

    def _kept(self, result: Result) -> Result:
        self.results.append(result)
        return result

    def _shop(self, story: Story, worker: Worker) -> PreparedShop:
        return PreparedShop(self.folder, story, worker, self.databases if story.postgres else None)


class Worker:
    """A warm command, and an API of each kind once it is asked for."""

    def __init__(self) -> None:
        self.command = WarmCommand()
        self._apis: dict[str, FaultApi] = {}
        self._open = ExitStack()

    def api(self, abilities: Mapping[str, Any]) -> FaultApi:
        """One with these abilities, which remembers nothing."""
        name = str(sorted(abilities.items()))
        if name not in self._apis:
            self._apis[name] = self._open.enter_context(fault_server(**abilities))
        self._apis[name].reset()
        return self._apis[name]

    def close(self) -> None:
        """End all of them."""
        self._open.close()
        self.command.close()


def _half(story: Story, before: Rows, now: Rows) -> tuple[Fault, ...]:
    """A run of which readers see a part."""
    verdict = judge(story.expected, now, Claims(), counted=False)
    odd = sum(verdict.count(kind) for kind in ("lost", "doubled", "wrong", "unexplained"))
    if not story.whole or now == before or not odd:
        return ()
    return (Fault("half", f"{len(before)} rows before, {len(now)} in between, {len(story.expected.rows)} to be"),)


class PreparedShop:
    """A workshop in which a story is prepared; it is removed afterwards."""

    def __init__(self, folder: Path, story: Story, worker: Worker, databases: Databases | None) -> None:
        self.story, self.worker, self.databases = story, worker, databases
        self.folder = tempfile.TemporaryDirectory(dir=folder)
        self.drop: Callable[[], None] | None = None

    def __enter__(self) -> Workshop:
        shop = CellShop(Path(self.folder.name))
        shop.command = self.worker.command
        if self.story.api is not None:
            shop.api = self.worker.api(self.story.api)
            shop.connections["api"] = f"{shop.api.url}?allow_private=true"
        if self.databases is not None:
            shop.connections["pg"], self.drop = self.databases()
        self.story.prepare(shop)
        return shop

    def __exit__(self, *_error: object) -> None:
        if self.drop is not None:
            self.drop()
        self.folder.cleanup()


class CellShop(Workshop):
    """A workshop with a warm command of its own, so that cells run side by side."""

    command: WarmCommand
    api: FaultApi

    def run(self, *words: str, failpoint: str = "", timeout: float = 60, **more: str):
        return self.command.run(list(words), self.environment(failpoint, **more), self.folder, timeout)


def claims_of(shop: Workshop, integration: str = "orders") -> Claims:
    """What the workshop's ledger says."""
    home = shop.folder / "home"
    return read_claims(home / "ledger.db", integration, stage=home / "stage")


def cells_on(result: Result, *, full: bool, later: bool = True) -> Iterator[Cell]:
    """The cells on a dry pass's way: each failpoint at its first passing, and ``later`` at its last one too.

    Killed each time. In the full matrix also at the second and a middle passing, and told to raise at the first one.
    """
    story = result.cell.story
    for name, number in result.passed.items():
        yield Cell(story, name, 1, "kill")
        if number > 1 and (full or later):
            yield Cell(story, name, number, "kill")
        if full:
            yield Cell(story, name, 1, "raise")
            for nth in sorted({2, number // 2} - {1, number}):
                if nth < number:
                    yield Cell(story, name, nth, "kill")
