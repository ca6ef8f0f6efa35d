"""The note that a delivery into files keeps beside them: the proof of what it has published.

``.dragoman/<integration>.<delivery>.json`` names the last run with its files, and the runs before it with where the
sources stood after each, so that a ledger put back from a backup learns what it missed. The note is the commit: it is
written before the first file gets its name, and whoever finds a run there finishes its files. A reader of the folder
goes by file names, which have no run's leftovers among them: what is written aside is hidden until then.

It stays small: only the newest cursor of a source is kept, and of old runs the marks, up to a bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from dragoman.core.errors import FatalError
from dragoman.core.ports import FileDestination
from dragoman.steps.positions import PENDING

__all__ = ["FileNote", "Note", "Past", "Published", "following"]

RUNS = 200
"""So many runs are kept apart; older ones are kept as one."""
MARKS = 20_000
"""So many marks of earlier runs are kept; the oldest go first."""


class Published(msgspec.Struct, frozen=True):
    """One file of a run, as it was written."""

    path: str
    sha256: str
    size: int


class Past(msgspec.Struct, frozen=True):
    """An earlier run. ``positions``: by node ``cursor`` and ``marks``; None for a run that moved nothing."""

    run: str
    token: int
    positions: dict[str, dict[str, Any]] | None = None


class Note(msgspec.Struct, frozen=True):
    """The last run of a delivery, its files, and the runs before it, oldest first."""

    run: str
    token: int
    files: tuple[Published, ...] = ()
    positions: dict[str, dict[str, Any]] | None = None
    before: tuple[Past, ...] = ()

    @property
    def runs(self) -> tuple[Past, ...]:
        """All of them, oldest first."""
        return (*self.before, Past(self.run, self.token, self.positions))


@dataclass(frozen=True)
class FileNote:
    """Where the note of one delivery is kept."""

    destination: FileDestination
    integration: str
    delivery: str

    @property
    def path(self) -> str:
        """Below the connection's root."""
        return f".dragoman/{re.sub(r'[^A-Za-z0-9._-]', '_', f'{self.integration}.{self.delivery}')}.json"

    def read(self) -> Note | None:
        """The note, None where nothing has been published. Raises ``FatalError`` ``files.note_broken``."""
        stream = self.destination.existing(self.path)
        if stream is None:
            return None
        with stream:
            try:
                return msgspec.json.decode(stream.read(), type=Note)
            except msgspec.DecodeError as error:
                raise FatalError(
                    "files.note_broken",
                    f"{self.path} cannot be read: {error}",
                    next_step="see whether the last run's files are whole, then remove it",
                ) from error

    def write(self, note: Note) -> None:
        """Put it in the place of the one before, whole or not at all."""
        draft = self.destination.draft(self.path, note.run)
        draft.stream.write(msgspec.json.format(msgspec.json.encode(note), indent=1))
        draft.publish()

    def finish(self, note: Note) -> None:
        """Give the last run's files their names, where a kill came between; safe to call twice."""
        for file in note.files:
            self.destination.finish(file.path, note.run)


def following(before: Note | None, run: str, token: int, files: tuple[Published, ...], positions: str) -> Note:
    """The note of a run after the one that stands there. ``positions`` is JSON text, ``{}`` if nothing moved."""
    moved = msgspec.json.decode(positions, type=dict[str, dict[str, Any]]) or None
    past = list(before.runs) if before else []
    newer = {node for node, left in (moved or {}).items() if left.get("cursor") is not None}
    past = [Past(one.run, one.token, _without_cursors(one.positions, newer)) for one in past]
    while len(past) > RUNS:
        past[:2] = [_as_one(past[0], past[1])]
    return Note(run, token, files, moved, tuple(_bounded(past)))


def _without_cursors(positions: dict[str, dict[str, Any]] | None, nodes: set[str]) -> dict[str, dict[str, Any]] | None:
    """What no later run has moved on; that a delivery was pending is of interest for the last run alone."""
    if positions is None:
        return None
    left = {node: place for node, place in positions.items() if node != PENDING}
    return {node: place | {"cursor": None} if node in nodes else place for node, place in left.items()}


def _as_one(old: Past, new: Past) -> Past:
    if old.positions is None or new.positions is None:
        return Past(new.run, new.token, new.positions or old.positions)
    both = {node: left for node, left in old.positions.items() if node != PENDING}
    for node, left in new.positions.items():
        was = both.get(node, {})
        cursor = left.get("cursor") if left.get("cursor") is not None else was.get("cursor")
        both[node] = was | left | {"cursor": cursor, "marks": (was.get("marks") or {}) | (left.get("marks") or {})}
    return Past(new.run, new.token, both)


def _bounded(past: list[Past]) -> list[Past]:
    room, kept = MARKS, []
    for one in reversed(past):
        cut: dict[str, dict[str, Any]] = {}
        for node, left in (one.positions or {}).items():
            marks = list((left.get("marks") or {}).items())
            some = marks[max(len(marks) - room, 0) :]
            room -= len(some)
            cut[node] = left | {"marks": dict(some)}
        kept.append(Past(one.run, one.token, None if one.positions is None else cut))
    return kept[::-1]
