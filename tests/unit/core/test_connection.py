"""A connection reads the same from a URI and from the fields that Airflow's store keeps of that URI."""

from urllib.parse import unquote, urlsplit

import pytest

from dragoman.core.connection import from_fields, parse_connection


def stored(uri):
    """What ``airflow connections add --conn-uri`` keeps (``Connection.from_uri``): the path less its first slash."""
    parts = urlsplit(uri)
    return from_fields(
        "x",
        conn_type="postgres" if parts.scheme == "postgresql" else parts.scheme,
        host=parts.hostname,
        port=parts.port,
        login=parts.username,
        password=parts.password,
        schema=unquote(parts.path[1:]),
        extra={},
    )


@pytest.mark.parametrize(
    "uri", ["file:///data/inbox", "sqlite:////data/x.db", "duckdb:////data/x.duckdb", "postgresql:///orders"]
)
def test_a_path_without_a_host_keeps_its_slash(uri):
    assert "/" + stored(uri).path.lstrip("/") == "/" + parse_connection("x", uri).path.lstrip("/")
    assert stored(uri).path.startswith("/")


def test_a_database_on_a_server_stays_a_name():
    assert stored("postgresql://user@db.example.com/orders").path == "orders"
