"""The answer to COMMIT is lost on the way: the next try reads from the destination what happened."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pytest

from dragoman.connectors.postgres.destination import open_destination
from dragoman.core.connection import parse_connection
from dragoman.core.errors import RetriableError
from dragoman.core.ports import DeliverRequest

TABLE = pa.table({"id": pa.array([1, 2], pa.int64())})


class CuttingProxy:
    """Passes bytes on to the server and cuts the client off when it says COMMIT.

    ``reaches``: whether the COMMIT still gets to the server, whose answer the client then never sees.
    """

    def __init__(self, url: str, *, reaches: bool) -> None:
        self._server = (urlsplit(url).hostname, urlsplit(url).port)
        self._reaches = reaches
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.replace(f":{self._server[1]}/", f":{port}/")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection(self._server) as server:
            back = threading.Thread(target=self._pass_back, args=(server, client), daemon=True)
            back.start()
            while data := client.recv(65_536):
                if b"COMMIT\x00" in data:
                    client.shutdown(socket.SHUT_RDWR)
                    if self._reaches:
                        server.sendall(data)
                        server.shutdown(socket.SHUT_WR)
                    break
                server.sendall(data)
            if not self._reaches:
                server.shutdown(socket.SHUT_RDWR)
            back.join()

    @staticmethod
    def _pass_back(server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(65_536):
                try:
                    client.sendall(data)
                except OSError:
                    continue
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()
        self._thread.join()


def begin(url, token):
    request = DeliverRequest(
        integration="orders", delivery="deliver", run_id="r", token=token, schema=TABLE.schema, mode="append"
    )
    return open_destination(parse_connection("db", url), {"table": "t"}).deliver(request)


@pytest.mark.parametrize("reaches", [True, False])
def test_a_lost_answer_is_neither_success_nor_doubling(postgres, reaches):
    proxy = CuttingProxy(postgres, reaches=reaches)
    session = begin(proxy.url, 1)
    session.write("r/0", TABLE)
    with pytest.raises(RetriableError) as caught:
        session.commit()
    session.close()
    proxy.close()
    assert caught.value.code == "postgres.commit_unknown"
    again = begin(postgres, 2)
    assert again.applied() is reaches
    if not reaches:
        again.write("r/0", TABLE)
        again.commit()
    again.close()
    with psycopg.connect(postgres) as server:
        assert server.execute("SELECT id FROM t ORDER BY id").fetchall() == [(1,), (2,)]
