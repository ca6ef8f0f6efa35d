"""What Dragoman says of its runs, read from the ledger's tables and the stage's files without its help."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Claims", "RejectClaim", "RunClaim", "read_claims"]

_RUNS = (
    "SELECT run_id, state, kind, figures, error_code, closed_at FROM dragoman_run "
    "WHERE integration = {} ORDER BY run_id"
)
_NODES = (
    "SELECT n.run_id, n.node, n.kind, n.state, n.counts FROM dragoman_node n "
    "JOIN dragoman_run r ON r.run_id = n.run_id WHERE r.integration = {}"
)
_REJECTS = "SELECT run_id, node, code, stage, state, path, row FROM dragoman_reject WHERE integration = {} ORDER BY id"
_INTENTS = (
    "SELECT i.run_id, i.node, i.batch, i.request FROM dragoman_intent i "
    "JOIN dragoman_run r ON r.run_id = i.run_id "
    "WHERE r.integration = {} AND i.state = 'sending' AND r.closed_at IS NOT NULL"
)
Query = Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class RunClaim:
    """One run: ``figures`` are its five, ``nodes`` holds each node's kind and counts."""

    run_id: str
    state: str
    kind: str
    closed: bool
    figures: Mapping[str, int]
    nodes: Mapping[str, tuple[str, Mapping[str, int]]]
    error_code: str = ""


@dataclass(frozen=True)
class RejectClaim:
    """One record that is said not to be delivered (``open``, ``abandoned``, …) or to be ``in_doubt``.

    ``original`` and ``mapped`` are the record as read and as sent, where the stage still has them.
    """

    run_id: str
    node: str
    code: str
    stage: str
    state: str
    original: Mapping[str, Any] | None = None
    mapped: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Claims:
    """All that the ledger says of one integration. ``sending``: requests of closed runs that were never settled."""

    runs: tuple[RunClaim, ...] = ()
    rejects: tuple[RejectClaim, ...] = ()
    sending: tuple[str, ...] = field(default=())


def read_claims(ledger: str | Path, integration: str, *, stage: str | Path = "") -> Claims:
    """Read a ledger: the path of a SQLite file, or a ``postgresql://`` URL. ``stage`` is the stage's folder.

    A ledger that does not exist yet claims nothing.
    """
    if str(ledger).startswith("postgres"):
        import psycopg

        with psycopg.connect(str(ledger)) as server:
            return _claims(lambda text: server.execute(text.format("%s").encode(), [integration]).fetchall(), stage)
    if not Path(ledger).exists():
        return Claims()
    with closing(sqlite3.connect(f"file:{Path(ledger).absolute()}?mode=ro", uri=True)) as file:
        if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'dragoman_run'").fetchone():
            return Claims()
        return _claims(lambda text: file.execute(text.format("?"), [integration]).fetchall(), stage)


def _claims(query: Query, stage: str | Path) -> Claims:
    nodes: dict[str, dict[str, tuple[str, Mapping[str, int]]]] = {}
    for run_id, node, kind, _state, counts in query(_NODES):
        nodes.setdefault(run_id, {})[node] = (kind, json.loads(counts))
    runs = tuple(
        RunClaim(run_id, state, kind, closed is not None, json.loads(figures or "{}"), nodes.get(run_id, {}), code)
        for run_id, state, kind, figures, code, closed in query(_RUNS)
    )
    payloads = _Payloads(Path(stage)) if stage else None
    rejects = []
    for run_id, node, code, where, state, path, row in query(_REJECTS):
        original, mapped = payloads.of(path, row) if payloads else (None, None)
        rejects.append(RejectClaim(run_id, node, code, where, state, original, mapped))
    sending = tuple("/".join(str(part) for part in row) for row in query(_INTENTS))
    return Claims(runs, tuple(rejects), sending)


class _Payloads:
    """The originals of rejects: Arrow IPC streams in the stage's folder, one row per reject."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, list[dict[str, Any]]] = {}

    def of(self, path: str, row: int) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        if path not in self.files:
            self.files[path] = self._read(path)
        rows = self.files[path]
        found = rows[row] if row < len(rows) else {}
        return _document(found.get("original")), _document(found.get("mapped"))

    def _read(self, path: str) -> list[dict[str, Any]]:
        import pyarrow as pa

        file = self.folder / path
        if not file.exists():
            return []
        with pa.ipc.open_stream(file.read_bytes()) as stream:
            return list(stream.read_all().to_pylist())


def _document(text: str | None) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text, parse_float=str) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
