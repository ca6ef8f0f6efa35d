"""The last good copy of each integration file, compiled: what goes on running in Airflow while a file is broken.

A copy is one small file, ``<home>/good/<name>-<path>-<digest>.json`` (16 hex digits each), so that one listing of the
folder tells which copies are there: reading a thousand unchanged integrations writes nothing and opens nothing. Where
the ledger serves several machines a copy goes there too, and a machine that has none asks it.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import msgspec

from dragoman.core.connection import EnvironmentConnections
from dragoman.core.errors import DragomanError
from dragoman.core.flow import Flow

__all__ = ["GoodCopies"]

_LOG = logging.getLogger(__name__)
_LEDGER = "dragoman_ledger"
_COMPILED = "flow.json"


class GoodCopies:
    """The copies of one home."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "good"
        self._by_name: dict[str, str] = {}
        self._by_path: dict[str, str] = {}
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - names are all that is needed, and it is quick
        except OSError:
            names = []
        for name in names:
            self._note(name)

    def keep(self, flow: Flow) -> None:
        """Keep what has just compiled, unless this very copy is kept; earlier ones of its path or name go."""
        name, path, digest = _short(flow.integration), _short(flow.file), flow.digest[:16]
        wanted = f"{name}-{path}-{digest}.json"
        if self._by_path.get(path) == wanted:
            return
        try:
            self._write(wanted, msgspec.json.encode(flow))
        except OSError as error:
            _LOG.warning("the last good copy of %s is not kept in %s: %s", flow.file, self._folder, error.strerror)
            return
        for old in {self._by_name.get(name, wanted), self._by_path.get(path, wanted)} - {wanted}:
            (self._folder / old).unlink(missing_ok=True)
            self._by_name.pop(old[:16], None)
            self._by_path.pop(old[17:33], None)
        self._note(wanted)
        _to_ledger(flow)

    def of_file(self, file: str) -> Flow | None:
        """The copy of a path."""
        found = self._by_path.get(_short(file))
        return self._read(found) if found else _from_ledger(file)

    def of_name(self, integration: str) -> Flow | None:
        """The copy of an integration, wherever its file is."""
        found = self._by_name.get(_short(integration))
        return self._read(found) if found else None

    def _note(self, name: str) -> None:
        if not name.startswith("."):
            self._by_name[name[:16]] = name
            self._by_path[name[17:33]] = name

    def _write(self, name: str, content: bytes) -> None:
        if not self._by_path:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = f"{self._folder}/.{os.getpid()}.aside"
        with open(aside, "wb") as stream:  # noqa: PTH123 - a thousand of these are written at the first reading
            stream.write(content)
        os.replace(aside, f"{self._folder}/{name}")  # noqa: PTH105

    def _read(self, name: str) -> Flow | None:
        try:
            return msgspec.json.decode((self._folder / name).read_bytes(), type=Flow)
        except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
            _LOG.warning("the good copy %s cannot be read: %s", self._folder / name, error)
            return None


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _to_ledger(flow: Flow) -> None:
    ledger_url = _shared_ledger()
    if not ledger_url:
        return
    from dragoman.ledger.ledger import open_ledger

    try:
        ledger = open_ledger(ledger_url)
        try:
            ledger.save_good_copy(flow.file, flow.digest, {_COMPILED: msgspec.json.encode(flow)})
        finally:
            ledger.close()
    except DragomanError as error:
        _LOG.warning("the last good copy of %s is not in the ledger: %s", flow.file, error)


def _from_ledger(file: str) -> Flow | None:
    ledger_url = _shared_ledger()
    if not ledger_url:
        return None
    from dragoman.ledger.ledger import open_ledger

    try:
        ledger = open_ledger(ledger_url)
        try:
            copy = ledger.good_copy(file)
        finally:
            ledger.close()
        return msgspec.json.decode(copy.files[_COMPILED], type=Flow) if copy else None
    except (DragomanError, msgspec.DecodeError, msgspec.ValidationError) as error:
        _LOG.warning("the ledger's good copy of %s cannot be read: %s", file, error)
        return None


def _shared_ledger() -> str:
    """The URL of a ledger that serves several machines; empty where it is this machine's file."""
    named = EnvironmentConnections.find(_LEDGER)
    if named is None or named.conn_type == "sqlite":
        return ""
    from dragoman.steps.workplace import ledger_url_of

    return ledger_url_of(named)
