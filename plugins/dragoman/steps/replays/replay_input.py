"""Which records a replay sends, and in which parts: made of rejects and of the copies that their runs keep.

Nothing is held in memory but the numbers of the rejects and the payload files that are being read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dragoman.core.batch import Reject
from dragoman.core.errors import FatalError
from dragoman.core.flow import Flow
from dragoman.ledger.rows import RejectRow
from dragoman.steps.pinned import pinned_flow
from dragoman.steps.replays.narrowing import Part, Upstream, narrowed, parts_of
from dragoman.steps.replays.reject_payloads import RejectPayloads
from dragoman.steps.staged_columns import columns_of
from dragoman.steps.workplace import Workplace

__all__ = ["Refusal", "ReplayInput", "Replayed"]


@dataclass
class Replayed:
    """One record to be staged again at ``start``; ``shape`` is empty where it never could be read."""

    start: str
    record: str
    version: str
    position: str
    original: str
    shape: str
    run_id: str
    parts: tuple[Part, ...]
    numbers: list[int] = field(default_factory=list)

    def joins(self, other: Replayed) -> bool:
        """Whether another reject is of this very record."""
        return (self.start, self.record, self.original) == (other.start, other.record, other.original)


@dataclass(frozen=True)
class Refusal:
    """A reject that cannot be sent again, and what to do about it."""

    number: int
    code: str
    message: str
    next_step: str = ""


class _NoError(Exception):
    """Says why one reject is refused."""

    def __init__(self, code: str, message: str, next_step: str) -> None:
        super().__init__(message)
        self.code, self.message, self.next_step = code, message, next_step


class ReplayInput:
    """The records behind some rejects, for the integration as it is in ``flow``."""

    def __init__(self, place: Workplace, flow: Flow, numbers: Sequence[int]) -> None:
        self._place = place
        self._flow = flow
        self._numbers = numbers
        specs: tuple[Any, ...] = (*flow.streams, *flow.translations, *flow.deliveries)
        self._nodes = {one.node for one in specs}
        self._upstream = Upstream(flow)
        self._copies: dict[str, tuple[Flow, Upstream]] = {}
        self._payloads = RejectPayloads(place.stage)

    def records(self) -> Iterator[Replayed | Refusal]:
        """Each record once, in the order in which they were first read, and what cannot be sent."""
        last: Replayed | None = None
        for number, row in self._place.ledger.rejects_numbered(self._numbers):
            try:
                found = self._record(number, row)
            except _NoError as no:
                yield Refusal(number, no.code, no.message, no.next_step)
                continue
            if last is not None and last.joins(found):
                last.parts = tuple(dict.fromkeys((*last.parts, *found.parts)))
                last.numbers.append(number)
                continue
            if last is not None:
                yield last
            last = found
        if last is not None:
            yield last

    def copy(self, run_id: str) -> Flow:
        """The copy of the integration that a run keeps."""
        return self._copy(run_id)[0]

    def _record(self, number: int, row: RejectRow) -> Replayed:
        if row.stage == "erase":
            raise _NoError(
                "replay.deletion",
                "what was rejected is a deletion: sent again, the record would be written, not erased",
                f"erase it there by hand, then: dragoman dismiss {row.integration} --reject {number} --reason TEXT",
            )
        payload, mended = self._payload(row)
        copy, before = self._copy(row.run_id)
        parts = narrowed(before, parts_of(payload.only), row.node, payload.line)
        shape = (mended or payload).shape
        start = columns_of(shape).start if shape else row.node
        self._check_nodes(row, (start, *(part.node for part in parts)))
        self._check_sets(row, start, parts)
        self._check_lines(row, copy, before, parts)
        self._check_deliveries(row, parts)
        original = mended.original or "{}" if mended else self._original(number, row, payload)
        record = payload.record or f"{row.run_id}:{row.rid if row.rid >= 0 else f'r{number}'}"
        return Replayed(start, record, payload.version, row.position, original, shape, row.run_id, parts, [number])

    def _payload(self, row: RejectRow) -> tuple[Reject, Reject | None]:
        try:
            return self._payloads.first(row), self._payloads.corrected(row)
        except FatalError as error:
            raise _NoError("replay.no_original", error.message, error.next_step) from error

    def _original(self, number: int, row: RejectRow, payload: Reject) -> str:
        name = row.integration
        if row.stage == "read":
            raise _NoError(
                "replay.unreadable",
                f"the record could not be read: {row.message}",
                f"give it as it should have been: dragoman correct {name} {number} --payload FILE",
            )
        if payload.original is None or not payload.shape:
            raise _NoError(
                "replay.no_original",
                f"the reject of {row.node!r} keeps no record that could be sent again",
                f"have the source send it anew, then: dragoman dismiss {name} --reject {number} --reason TEXT",
            )
        return payload.original

    def _check_nodes(self, row: RejectRow, names: Iterable[str]) -> None:
        gone = [name for name in names if name not in self._nodes]
        if gone:
            raise _NoError(
                "replay.node_gone",
                f"it was rejected on its way through {gone[0]!r}, which {self._flow.integration} no longer has",
                f"give the node its name back, or: dragoman dismiss {row.integration} --reject NUMBER --reason TEXT",
            )

    def _check_sets(self, row: RejectRow, start: str, parts: Sequence[Part]) -> None:
        """Of all records together a set says something else than of some: it is not computed again for a few."""
        reaches = self._upstream.reaches
        for spec in self._flow.translations:
            on_its_way = any(reaches(part.node, spec.node) or reaches(spec.node, part.node) for part in parts)
            if spec.is_set and spec.node != start and reaches(start, spec.node) and on_its_way:
                raise _NoError(
                    "replay.set_input",
                    f"it goes into {spec.node!r} ({spec.sql or spec.python}), which is made of all records at once: "
                    "what it makes of a few alone may be wrong",
                    f"have the source send it anew (dragoman cursor set {row.integration} VALUE), then: "
                    f"dragoman dismiss {row.integration} --reject NUMBER --reason TEXT",
                )

    def _check_lines(self, row: RejectRow, copy: Flow, before: Upstream, parts: Iterable[Part]) -> None:
        for part in parts:
            was, now = _lists(copy, before, part.node), _lists(self._flow, self._upstream, part.node)
            if part.line and was != now:
                raise _NoError(
                    "replay.lines_changed",
                    f"one line of {', '.join(was)} was rejected, and the mapping now makes lines of "
                    f"{', '.join(now) or 'nothing'}: which of them were delivered cannot be told",
                    f"send it by hand, then: dragoman dismiss {row.integration} --reject NUMBER --reason TEXT",
                )

    def _check_deliveries(self, row: RejectRow, parts: Iterable[Part]) -> None:
        for delivery in self._flow.deliveries:
            if delivery.mode == "replace" and any(self._upstream.reaches(part.node, delivery.node) for part in parts):
                raise _NoError(
                    "replay.replace",
                    f"the delivery {delivery.node!r} replaces all it finds: only what is replayed would be left there",
                    f"correct the mapping and read all of it again: dragoman run {row.integration}",
                )

    def _copy(self, run_id: str) -> tuple[Flow, Upstream]:
        if run_id not in self._copies:
            try:
                copy = pinned_flow(self._place, self._place.ledger.run(run_id))
            except FatalError as error:
                raise _NoError("replay.no_original", error.message, error.next_step) from error
            self._copies[run_id] = (copy, Upstream(copy))
        return self._copies[run_id]


def _lists(flow: Flow, upstream: Upstream, node: str) -> list[str]:
    """Of which lists the outputs are lines that come to a node, from the outside in."""
    found = [spec for spec in flow.translations if spec.each_expression and upstream.reaches(spec.node, node)]
    found.sort(key=lambda spec: sum(upstream.reaches(one.node, spec.node) for one in flow.translations))
    return [spec.each_expression for spec in found]
