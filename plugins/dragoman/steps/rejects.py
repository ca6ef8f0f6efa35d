"""Rejected records on their way into the ledger: each with its original, its position and its reason.

Payloads go to files of the stage in portions; only what the index needs stays in memory. A run that rejects without
end is given up early (``Flood``): it is over its limit already and only the first ones are kept.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dragoman.core.batch import HIDDEN, LINE, ONLY, RECORD, RID, Refused, Reject, position_of, version_of
from dragoman.core.fieldtype import words_of
from dragoman.ledger.rows import RejectRow
from dragoman.stage.store import RunStage
from dragoman.steps.staged_columns import packed_columns

__all__ = ["STAGES", "RejectLog", "explain_positions", "original_of", "refused_rejects"]

STAGES = ("read", "translate", "deliver", "erase")
_PORTION = 2_000


@dataclass
class RejectLog:
    """Collects the rejects of one node of one run."""

    stage: RunStage
    node: str
    name: str
    rows: list[RejectRow] = field(default_factory=list)
    _waiting: list[Reject] = field(default_factory=list)
    _portions: int = 0
    _in_doubt: int = 0

    def add(self, rejects: list[Reject]) -> None:
        """Take them in; payloads are written aside as soon as there are enough."""
        self._waiting.extend(rejects)
        self._in_doubt += sum(reject.in_doubt for reject in rejects)
        if len(self._waiting) >= _PORTION:
            self.flush()

    def flush(self) -> list[RejectRow]:
        """Write what waits; returns the index of all."""
        for at in range(0, len(self._waiting), _PORTION):
            self._write(self._waiting[at : at + _PORTION])
        self._waiting = []
        return self.rows

    def _write(self, portion: list[Reject]) -> None:
        """One file: small enough to be read for a few of its rejects."""
        sealed = self.stage.write_rejects(self.node, f"{self.name}-{self._portions:05d}", portion)
        self.rows.extend(
            RejectRow(
                code=reject.code,
                field=reject.field,
                message=reject.message,
                stage=reject.stage,
                position=reject.position,
                rid=reject.rid,
                path=sealed.path,
                sha256=sealed.sha256,
                row=row,
                state="in_doubt" if reject.in_doubt else "open",
            )
            for row, reject in enumerate(portion)
        )
        self._portions += 1

    @property
    def count(self) -> int:
        """How many there are so far, without those in doubt."""
        return len(self.rows) + len(self._waiting) - self._in_doubt


def original_of(table: pa.Table, row: int) -> str:
    """A staged record as a JSON object; texts in the source's own words, raw JSON tokens as they came."""
    parts = []
    for name in table.column_names:
        if name in HIDDEN:
            continue
        value = table.column(name)[row].as_py()
        raw = words_of(table.schema.field(name)) == "json" and value is not None
        parts.append(f"{json.dumps(name, ensure_ascii=False)}: {value if raw else _token(value)}")
    return "{" + ", ".join(parts) + "}"


def explain_positions(rejects: list[Reject], table: pa.Table, rid_base: int) -> list[Reject]:
    """Fill in where the rejected records stood and what they were, from the staged batch they come from."""
    shape = packed_columns(table) if rejects else ""
    replayed = ONLY in table.column_names
    for reject in rejects:
        row = reject.rid - rid_base
        if 0 <= row < table.num_rows:
            reject.position = reject.position or position_of(table, row)
            reject.original = reject.original if reject.original is not None else original_of(table, row)
            reject.shape = shape
            reject.version = version_of(table, row)
            if replayed:
                reject.record, reject.only = (table.column(name)[row].as_py() or "" for name in (RECORD, ONLY))
    return rejects


def refused_rejects(refused: list[Refused], outputs: pa.Table, stage: str = "deliver") -> list[Reject]:
    """What a destination refused, as rejects of the stage ``deliver``, or ``erase``."""
    rids = outputs.column(RID) if RID in outputs.column_names else None
    lines = outputs.column(LINE) if LINE in outputs.column_names else None
    made = []
    for one in refused:
        rid = rids[one.row].as_py() if rids is not None else -1
        made.append(
            Reject(
                code=one.code,
                message=one.message,
                stage=stage,
                field=one.field,
                mapped=original_of(outputs, one.row),
                answer=one.answer or None,
                rid=rid if isinstance(rid, int) else -1,
                in_doubt=one.in_doubt,
                line=lines[one.row].as_py() if lines is not None else 0,
            )
        )
    return made


def _token(value: Any) -> str:
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode()
    return json.dumps(value, ensure_ascii=False, default=str)
