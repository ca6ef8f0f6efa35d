"""Turns a file of one format into another: a small run of its own, with the whole accounting, in a folder that goes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dragoman.core.connection import Connection
from dragoman.core.errors import FatalError
from dragoman.language import compile_definition
from dragoman.ledger.ledger import open_ledger
from dragoman.stage.store import Stage
from dragoman.steps.run import run
from dragoman.steps.workplace import Workplace

__all__ = ["translate_file"]


def translate_file(
    source: Path, target: Path, from_format: Mapping[str, Any] | None = None, to_format: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write ``target`` whole or not at all; returns both paths and the number of records.

    Formats go by the files' endings unless given. A record that cannot be read or written raises ``FatalError``.
    """
    flow = compile_definition(
        {
            "integration": "file_translation",
            "source": _side("in", source, from_format) | {"reread": "always"},
            "deliver": _side("out", target, to_format) | {"mode": "replace"},
            "policy": {"on_reject": "fail", "allow_empty": True},
        },
        origin=f"the translation of {source}",
    )
    with tempfile.TemporaryDirectory(prefix="dragoman-translate-") as name:
        home = Path(name)
        (home / "out").mkdir()
        place = Workplace(
            home=home,
            ledger=open_ledger(f"sqlite:///{home / 'ledger.db'}"),
            stage=Stage(str(home / "stage")),
            connections=_TwoFolders(source.resolve().parent, home / "out"),
            actor="translate",
        )
        try:
            report = run(flow, place)
        except FatalError as error:
            rejects = place.ledger.open_rejects(flow.integration)
            if not rejects:
                raise
            first = rejects[0]
            text = f"{first.position}: {first.message}; {target} was not written"
            raise FatalError(first.code, text, next_step=f"correct {source}") from error
        finally:
            place.close()
        _move(home / "out" / target.name, target)
    return {"path": str(source), "to": str(target), "records": report["delivered"]}


def _move(made: Path, target: Path) -> None:
    """Under its name it is whole at once, also where the temporary folder is on another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}.aside")
    try:
        shutil.copyfile(made, aside)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _side(connection: str, file: Path, form: Mapping[str, Any] | None) -> dict[str, Any]:
    side: dict[str, Any] = {"connector": "files", "connection": connection, "path": file.name}
    return side | ({"format": dict(form)} if form else {})


@dataclass(frozen=True)
class _TwoFolders:
    """The connections ``in`` and ``out``."""

    source: Path
    target: Path

    def get(self, conn_id: str) -> Connection:
        folder = self.source if conn_id == "in" else self.target
        return Connection(conn_id=conn_id, conn_type="file", scheme="file", path=str(folder))
