"""What ``connectors test`` asks a PostgreSQL server."""

from __future__ import annotations

import psycopg

from dragoman.connectors.postgres.session import connect, explain, run
from dragoman.core.connection import Connection

__all__ = ["check_connection"]


def check_connection(connection: Connection) -> str:
    """Sign in and ask who and what is there."""
    server = connect(connection)
    try:
        version, database, user, encrypted = run(
            server,
            "SELECT current_setting('server_version'), current_database()::text, current_user::text, "
            "coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)",
        )[0]
    except psycopg.Error as error:
        raise explain(error, "asking the server") from error
    finally:
        server.close()
    return f"PostgreSQL {version}, database {database} as {user}, {'TLS' if encrypted else 'without TLS'}"
