"""What ``connectors test`` asks a DuckDB file."""

from __future__ import annotations

import duckdb

from dragoman.connectors._sql.local_file import database_file
from dragoman.connectors.duckdb.session import connect, explain, run
from dragoman.core.connection import Connection

__all__ = ["check_connection"]


def check_connection(connection: Connection) -> str:
    """Read the file's catalogue; a file that is not there yet is made by the first delivery."""
    path = database_file(connection)
    if not path.is_file():
        return f"DuckDB {duckdb.__version__}, {path} is not there yet and will be made"
    server = connect(connection, patience=0)
    try:
        count = run(server, "SELECT count(*) FROM duckdb_tables() WHERE NOT internal")[0][0]
    except duckdb.Error as error:
        raise explain(error, f"reading {path}") from error
    finally:
        server.close()
    return f"DuckDB {duckdb.__version__}, {path} with {count} tables"
