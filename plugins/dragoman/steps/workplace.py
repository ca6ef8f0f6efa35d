"""What the steps work with: the home, the ledger, the stage, the connections, and who is at work."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dragoman.core.connection import Connection, ConnectionStore, EnvironmentConnections
from dragoman.core.errors import ConfigError
from dragoman.core.home import dragoman_home
from dragoman.ledger.ledger import Ledger, open_ledger
from dragoman.stage.store import Stage
from dragoman.steps.circuit import WatchedConnections

__all__ = ["LEDGER_CONNECTION", "Workplace", "ledger_url_of", "open_workplace"]

LEDGER_CONNECTION = "dragoman_ledger"


@dataclass
class Workplace:
    """``progress`` is told the phase and the number of records so far; ``actor`` goes into the audit.

    ``patience``: how many seconds to wait for the lease where a living process holds it.
    """

    home: Path
    ledger: Ledger
    stage: Stage
    connections: ConnectionStore
    actor: str
    patience: float = 0.0
    progress: Callable[[str, int], None] = field(default=lambda _phase, _records: None)

    def __post_init__(self) -> None:
        """Each connection has its circuit breaker in the ledger."""
        if not isinstance(self.connections, WatchedConnections):
            self.connections = WatchedConnections(self.connections, self.ledger)

    def close(self) -> None:
        """Give the ledger's connections back."""
        self.ledger.close()


def open_workplace(connections: ConnectionStore | None = None, actor: str = "", ledger_url: str = "") -> Workplace:
    """The workplace of this environment: ``DRAGOMAN_HOME``, ``DRAGOMAN_STAGE``, ``AIRFLOW_CONN_DRAGOMAN_LEDGER``.

    Without a connection for the ledger it is a SQLite file in the home, which serves one machine.
    """
    home = dragoman_home()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            "home.unusable",
            f"the folder {home} cannot be made: {error.strerror}",
            next_step="set DRAGOMAN_HOME to a folder that this user may write",
        ) from error
    if not ledger_url:
        named = EnvironmentConnections.find(LEDGER_CONNECTION)
        ledger_url = ledger_url_of(named) if named else f"sqlite:///{home / 'ledger.db'}"
    return Workplace(
        home=home,
        ledger=open_ledger(ledger_url),
        stage=Stage(os.environ.get("DRAGOMAN_STAGE") or str(home / "stage")),
        connections=connections or EnvironmentConnections(),
        actor=actor or f"{getpass.getuser()}@cli",
    )


def ledger_url_of(connection: Connection) -> str:
    """The database URL of the ledger's connection."""
    if connection.conn_type == "sqlite":
        return f"sqlite:///{connection.path if connection.path.startswith('/') else '/' + connection.path}"
    if connection.conn_type == "postgres":
        from urllib.parse import quote

        user = quote(connection.login, safe="")
        secret = f":{quote(connection.password, safe='')}" if connection.password else ""
        port = f":{connection.port}" if connection.port else ""
        return f"postgresql://{user}{secret}@{connection.host}{port}/{connection.path.strip('/')}"
    raise ConfigError(
        "ledger.unknown_type",
        f"the connection {connection.conn_id!r} is of type {connection.conn_type!r}; a ledger is SQLite or PostgreSQL",
        next_step="export AIRFLOW_CONN_DRAGOMAN_LEDGER=postgresql://user:pass@host:5432/database",
    )
