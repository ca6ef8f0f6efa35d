"""Asking a destination for the proof of earlier deliveries, whether it keeps it in a table or beside its files."""

from __future__ import annotations

from typing import cast

import msgspec

from dragoman.core.flow import DeliverySpec
from dragoman.core.items import ItemDestination
from dragoman.core.ports import FileDestination, KeepsProof, Position, RecordDestination
from dragoman.steps.components import destination_can
from dragoman.steps.files.file_note import FileNote

__all__ = ["FileProof", "proof_of"]


class FileProof:
    """The proof of deliveries into files (``file_note.py``); see ``ports.KeepsProof``."""

    def __init__(self, destination: FileDestination) -> None:
        self._destination = destination

    def last_token(self, integration: str, delivery: str) -> int:
        """The highest token seen, 0 where there is none yet."""
        note = FileNote(self._destination, integration, delivery).read()
        return note.token if note else 0

    def last_run(self, integration: str, delivery: str) -> str:
        """The run that published last; empty where there is none yet."""
        note = FileNote(self._destination, integration, delivery).read()
        return note.run if note else ""

    def positions_since(self, integration: str, delivery: str, token: int) -> list[Position]:
        """What runs with this token or a higher one left, oldest first.

        Whoever goes by these positions never reads the last run's records again, so its files get their names first.
        """
        kept = FileNote(self._destination, integration, delivery)
        note = kept.read()
        if note is None:
            return []
        kept.finish(note)
        return [
            Position(one.run, one.token, msgspec.json.encode(one.positions).decode())
            for one in note.runs
            if one.token >= token and one.positions is not None
        ]

    def forget(self, integration: str, delivery: str, before_run: str) -> int:  # noqa: ARG002 - the port's
        """Nothing: the note bounds itself, and writing it beside a run that publishes could lose that run."""
        return 0


def proof_of(spec: DeliverySpec, opened: RecordDestination | FileDestination | ItemDestination) -> KeepsProof | None:
    """The proof of a delivery's destination; None where it keeps none."""
    if destination_can(spec).files:
        return FileProof(cast("FileDestination", opened))
    return opened if isinstance(opened, KeepsProof) else None
