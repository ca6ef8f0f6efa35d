"""What of a replayed record is sent: only what was rejected, never again what had been delivered.

A record may have been rejected at one delivery and taken by others, or in some of its lines. Each reject names a part:
a node of the graph, and the line of the record's list (0: all of it). A part stands for what comes to that node and
from there to all deliveries behind it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import LINE, LINE_BITS, ONLY, RID, Reject
from dragoman.core.flow import Flow
from dragoman.translation.translated import Translated

__all__ = ["HAD", "Narrowing", "Part", "Upstream", "narrowed", "parts_of", "text_of"]

HAD = "delivered_before"
"""The reason for which a replay filters a record at a node that is not concerned."""


class Part(NamedTuple):
    """``line`` as ``LINE_BITS`` says."""

    node: str
    line: int


def parts_of(text: str) -> tuple[Part, ...]:
    """Parts as a hidden column holds them."""
    return tuple(Part(node, line) for node, line in json.loads(text)) if text else ()


def text_of(parts: Iterable[Part]) -> str:
    """For a hidden column."""
    return json.dumps(list(parts), ensure_ascii=False, separators=(",", ":"))


class Upstream:
    """Which nodes stand before which, each before itself too."""

    def __init__(self, flow: Flow) -> None:
        self._before: dict[str, set[str]] = {stream.node: {stream.node} for stream in flow.streams}
        inputs = {spec.node: spec.inputs for spec in flow.translations}
        inputs |= {spec.node: (spec.input,) for spec in flow.deliveries}
        for node in inputs:
            self._find(node, inputs)

    def _find(self, node: str, inputs: dict[str, tuple[str, ...]]) -> set[str]:
        if node not in self._before:
            behind = [self._find(one, inputs) for one in inputs.get(node, ())]
            self._before[node] = {node}.union(*behind)
        return self._before[node]

    def reaches(self, first: str, then: str) -> bool:
        """Whether what leaves ``first`` may come to ``then``."""
        return first in self._before.get(then, ())


def narrowed(upstream: Upstream, carried: Sequence[Part], node: str, line: int) -> tuple[Part, ...]:
    """The parts that a reject at ``node`` stands for, of a record of which a replay sent only ``carried``."""
    if not carried:
        return (Part(node, line),)
    found = []
    for part in carried:
        if part.line and line and not _akin(part.line, line):
            continue
        deeper = max(part.line, line)
        if upstream.reaches(node, part.node):
            found.append(Part(part.node, deeper))
        elif upstream.reaches(part.node, node):
            found.append(Part(node, deeper))
    return tuple(dict.fromkeys(found)) or (Part(node, line),)


class Narrowing:
    """The parts of the records of one batch, by their ids."""

    def __init__(self, upstream: Upstream, parts: dict[int, tuple[Part, ...]]) -> None:
        self._upstream = upstream
        self._parts = parts

    @classmethod
    def of(cls, upstream: Upstream, table: pa.Table, rid_base: int) -> Narrowing | None:
        """Those of a staged batch; None where it is no replay's."""
        if ONLY not in table.column_names:
            return None
        texts = table.column(ONLY).to_pylist()
        return cls(upstream, {rid_base + row: parts_of(text or "") for row, text in enumerate(texts)})

    def concerns(self, node: str, rid: int, line: int) -> bool:
        """Whether a record, or one line of it, is to go through a translation."""
        reaches = self._upstream.reaches
        return any(
            (reaches(part.node, node) or reaches(node, part.node)) and _fits(part, line) for part in self._parts[rid]
        )

    def may_take(self, delivery: str, rid: int, line: int) -> bool:
        """Whether a delivery has not had it."""
        return any(self._upstream.reaches(part.node, delivery) and _fits(part, line) for part in self._parts[rid])

    def was_for(self, deliveries: Iterable[str], rid: int, line: int) -> list[str]:
        """Those of the deliveries at which it was rejected."""
        named = {part.node for part in self._parts[rid] if _fits(part, line)}
        return [name for name in deliveries if name in named]

    def entering(self, node: str, rids: pa.ChunkedArray) -> pa.Array:
        """The rows of records that go into a translation."""
        rows = [row for row, rid in enumerate(rids.to_pylist()) if self.concerns(node, rid, 0)]
        return pa.array(rows, pa.int64())

    def narrow(self, node: str, result: Translated, took: int) -> None:
        """Leave only what was rejected, of a translation that was offered ``took`` records."""
        outputs = result.outputs
        kept = [
            row
            for row, (rid, line) in enumerate(zip(_numbers(outputs, RID), _numbers(outputs, LINE), strict=True))
            if self.concerns(node, rid, line)
        ]
        if len(kept) < outputs.num_rows:
            result.outputs = outputs.take(pa.array(kept, pa.int64()))
        result.rejects = [one for one in result.rejects if self.concerns(node, one.rid, one.line)]
        self.account(result, took)

    @staticmethod
    def account(result: Translated, took: int) -> None:
        """Count anew which records have passed; those that made nothing that is wanted had been delivered."""
        passed = set(_numbers(result.outputs, RID))
        fallen = {reject.rid for reject in result.rejects} - passed
        result.records_in, result.passed = took, len(passed)
        others = sum(number for reason, number in result.filtered.items() if reason != HAD)
        had = took - len(passed) - len(fallen) - others
        result.filtered.pop(HAD, None)
        if had:
            result.filtered[HAD] = had

    def share(self, delivery: str, outputs: pa.Table) -> pa.Table:
        """What a delivery has not had of the outputs that it would take."""
        pairs = zip(_numbers(outputs, RID), _numbers(outputs, LINE), strict=True)
        return outputs.filter(pa.array([self.may_take(delivery, rid, line) for rid, line in pairs], pa.bool_()))

    def strays(self, outputs: pa.Table, shares: dict[str, pa.Table]) -> list[tuple[int, Reject]]:
        """Outputs that were rejected at one delivery and that the mapping now routes to others alone: row and reject.

        ``shares``: what each delivery would take.
        """
        takers: dict[tuple[int, int], list[str]] = {}
        for name, table in shares.items():
            for at in zip(_numbers(table, RID), _numbers(table, LINE), strict=True):
                takers.setdefault(at, []).append(name)
        found = []
        for row, at in enumerate(zip(_numbers(outputs, RID), _numbers(outputs, LINE), strict=True)):
            now, before = takers.get(at, []), self.was_for(shares, *at)
            if now and before and not set(now) & set(before) and not any(self.may_take(name, *at) for name in now):
                message = (
                    f"it was rejected at {', '.join(before)}, and the mapping now sends it to {', '.join(now)}, "
                    "which may have had it"
                )
                found.append((row, Reject("replay.elsewhere", message, "translate", rid=at[0], line=at[1])))
        return found


def _fits(part: Part, line: int) -> bool:
    return not part.line or not line or _akin(part.line, line)


def _akin(one: int, other: int) -> bool:
    """Whether two lines are the same, or one is a line of the other."""
    while one > other:
        one >>= LINE_BITS
    while other > one:
        other >>= LINE_BITS
    return one == other != 0


def _numbers(table: pa.Table, name: str) -> list[int]:
    """A hidden column of numbers; zeros where there is none."""
    if name not in table.column_names:
        return [0] * table.num_rows
    return [number or 0 for number in pc.fill_null(table.column(name), 0).to_pylist()]
