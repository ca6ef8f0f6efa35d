"""The sample API of the demo, over a real socket and read by the http connector."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dragoman.connectors.http.source import open_source
from dragoman.core.connection import parse_connection
from dragoman.core.ports import ReadRequest
from dragoman.testing.sample_api import answer_for


def orders(count):
    return [{"id": at, "updated_at": f"2026-01-05T10:{at:02}:00+01:00", "total": "1.50"} for at in range(count)]


def test_it_serves_a_file_that_the_connector_reads_on(tmp_path):
    data = tmp_path / "orders.json"
    data.write_text(json.dumps(orders(7)))
    command = [sys.executable, "-m", "dragoman.testing.sample_api", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            connection = parse_connection("shop", server.stdout.readline().strip() + "?allow_private=true")
            options = {
                "path": "/orders",
                "records": "data",
                "total": "meta.total",
                "paging": {"type": "cursor", "next": "meta.next", "param": "after", "size": 3},
                "cursor": {"column": "updated_at", "id": "id", "param": "updated_since"},
            }
            *batches, end = open_source(connection, options).read(ReadRequest())
            assert sum(batch.table.num_rows for batch in batches) == 7
            data.write_text("\n".join(json.dumps(order) for order in orders(9)))
            *batches, end = open_source(connection, options).read(ReadRequest(cursor=end.cursor))
            assert [batch.table.column("id").to_pylist() for batch in batches] == [["7", "8"]]
            assert end.cursor["value"] == "2026-01-05T10:08:00+01:00"
        finally:
            server.terminate()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/orders?limit=0", 400),
        ("/orders?limit=x", 400),
        ("/orders?updated_since=soon", 400),
        ("/orders?after=%21", 400),
        ("/x", 404),
        ("/orders", 200),
    ],
)
def test_it_tells_what_it_cannot_do(tmp_path, target, status):
    data = tmp_path / "orders.json"
    data.write_text("[]")
    answered, document = answer_for(data, target)
    assert answered == status
    assert ("error" in document) == (status != 200)
