"""What ``connectors test`` asks a SQLite file."""

from __future__ import annotations

import sqlite3

from dragoman.connectors._sql.local_file import database_file
from dragoman.connectors.sqlite.session import connect, explain, run
from dragoman.core.connection import Connection

__all__ = ["check_connection"]


def check_connection(connection: Connection) -> str:
    """Read the file's catalogue; a file that is not there yet is made by the first delivery."""
    path = database_file(connection)
    if not path.is_file():
        return f"SQLite {sqlite3.sqlite_version}, {path} is not there yet and will be made"
    server = connect(connection, read_only=True)
    try:
        count = run(server, "SELECT count(*) FROM sqlite_master WHERE type = 'table'")[0][0]
    except sqlite3.Error as error:
        raise explain(error, f"reading {path}") from error
    finally:
        server.close()
    return f"SQLite {sqlite3.sqlite_version}, {path} with {count} tables"
