"""Whole runs into a real HTTP server, with the options that real APIs need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dragoman.testing.http_server import Answer, Request, Server, serve
from workshop import Workshop

ROWS = "number,name\n1,one\n2,two\n3,three\n4,four\n5,five\n"
SECRET = "sk_live_51Hsecret"


def workshop(folder: Path, server: Server, options: str, more: str = "") -> Workshop:
    shop = Workshop(folder)
    shop.connections["api"] = f"{server.url}/v1?allow_private=true&token={SECRET}"
    (folder / "inbox" / "orders.csv").write_text(ROWS)
    shop.integration(
        "orders",
        f"""
integration: orders
source: {{connector: files, connection: inbox, path: orders.csv}}
translate: {{fields: {{number: {{from: number, type: integer}}, name: name}}}}
deliver: {{connector: http, connection: api, {options}}}
{more}
""",
    )
    return shop


def figures(report: dict[str, Any]) -> tuple[str, int, int, int]:
    return report["state"], report["delivered"], report["rejected"], report["in_doubt"]


def rejects(shop: Workshop) -> list[dict[str, Any]]:
    done = shop.run("rejects", "orders", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    return listed["rejects"] if isinstance(listed, dict) else listed


def unpacked(path: Path) -> bytes:
    """A file's bytes; of a stage file the values that are packed in it."""
    for opened in (pa.ipc.open_file, pa.ipc.open_stream):
        try:
            with pa.OSFile(str(path)) as file:
                return str(opened(file).read_all().to_pydict()).encode()
        except pa.ArrowInvalid:
            continue
    return path.read_bytes()


def test_each_item_has_a_path_of_its_own(tmp_path):
    held: dict[str, Any] = {}

    def handler(request: Request) -> Answer:
        if request.path.endswith("/3"):
            return Answer.of({"error": {"code": "E7", "message": "three is closed"}}, 422)
        held[request.path] = (request.method, request.json)
        return Answer.of({"id": request.path}, 200)

    with serve(handler) as server:
        shop = workshop(tmp_path, server, 'path: "/orders/{number}", method: PUT, mode: upsert, key: [number]')
        assert figures(shop.report("orders")) == ("done", 4, 1, 0)
    assert held["/v1/orders/5"] == ("PUT", {"number": 5, "name": "five"})
    assert "/v1/orders/3" not in held
    [reject] = rejects(shop)
    assert reject["code"] == "http.item_refused"
    assert "three is closed" in reject["message"]


def test_successes_and_failures_that_stand_apart(tmp_path):
    def handler(request: Request) -> Answer:
        given = request.json["inputs"]
        good = [{"id": f"h{one['number']}", "ref": str(one["number"])} for one in given if one["number"] != 2]
        bad = [{"ref": "2", "message": "two is taken", "category": "CONFLICT"} for one in given if one["number"] == 2]
        document = {"results": good[::-1], "numErrors": len(bad), "errors": bad}
        return Answer.of(document, 207 if bad else 200)

    options = (
        "path: /batch/upsert, batch: {size: 3, envelope: inputs}, result: {items: results, failed: errors, "
        "match: {field: ref, column: number}, id: id, code: category, error: message}"
    )
    with serve(handler) as server:
        shop = workshop(tmp_path, server, options)
        assert figures(shop.report("orders")) == ("done", 4, 1, 0)
        assert len(server.requests) == 2
    [reject] = rejects(shop)
    assert "two is taken (CONFLICT)" in reject["message"]


@pytest.mark.parametrize(
    "document", [{"status": "error"}, {"success": False}, {"error": "no"}], ids=["status", "success", "error"]
)
def test_an_error_dressed_as_success_is_never_delivered(tmp_path, document):
    with serve(lambda _request: Answer.of(document)) as server:
        shop = workshop(tmp_path, server, "path: /orders, batch: 5")
        report = shop.report("orders")
    assert (report["delivered"], report["rejected"]) == (0, 5)


@pytest.mark.parametrize(
    "answer",
    [
        Answer.of({"errors": [{"message": "one of them"}]}),
        Answer.of({"results": [{"status": 201}]}, 207),
        Answer(b"<html>Sign in</html>", 200, {"Content-Type": "text/html"}),
        Answer.of([{"id": 1}]),
        Answer.of({"error": "oops"}, 500),
    ],
    ids=["errors of some", "207", "a web page", "too few", "500"],
)
def test_what_the_answer_does_not_say_is_in_doubt_and_red(tmp_path, answer):
    with serve(lambda _request: answer) as server:
        shop = workshop(tmp_path, server, "path: /orders, batch: 5")
        assert figures(shop.report("orders", expect=1)) == ("in_doubt", 0, 0, 5)
        assert len(server.requests) == 1, "it is not sent twice"


def test_a_search_settles_what_nobody_knows(tmp_path):
    there: list[dict[str, Any]] = []

    def handler(request: Request) -> Answer:
        if request.method == "GET":
            found = [one for one in there if str(one["order"]["nr"]) == request.params["nr"]]
            return Answer.of({"hits": found})
        if len(server.requests) == 1:
            return Answer.of({"error": "down"}, 503)
        there.append({"id": f"s{len(there)}", "order": {"nr": request.json["number"]}})
        return Answer.of({"error": "gateway"}, 502) if request.json["number"] == 4 else Answer.of(there[-1], 201)

    options = (
        "path: /orders, read_back: {path: /search, key: {column: number, field: order.nr}, param: nr, records: hits}"
    )
    with serve(handler) as server:
        shop = workshop(tmp_path, server, options)
        assert figures(shop.report("orders")) == ("done", 5, 0, 0)
    assert sorted(one["order"]["nr"] for one in there) == [1, 2, 3, 4, 5]


def test_items_are_removed(tmp_path):
    gone: list[str] = []

    def handler(request: Request) -> Answer:
        assert request.method == "DELETE"
        gone.append(request.path)
        if request.path.endswith("/4") and gone.count(request.path) == 1:
            return Answer.of({}, 502)
        return Answer(status=204) if request.path.endswith(("1", "4")) else Answer.of({"error": "no such order"}, 404)

    with serve(handler) as server:
        shop = workshop(tmp_path, server, 'path: /orders, delete: "/orders/{number}", mode: delete, key: [number]')
        assert figures(shop.report("orders")) == ("done", 5, 0, 0)
    assert sorted(set(gone)) == [f"/v1/orders/{number}" for number in range(1, 6)]
    assert gone.count("/v1/orders/4") == 2


def test_a_secret_in_an_answer_is_kept_nowhere(tmp_path):
    def handler(request: Request) -> Answer:
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        number = request.json["number"]
        if number == 1:
            return Answer.of({"error": f"token {SECRET} may not"}, 422)
        return Answer.of({"error": SECRET}, 500) if number == 2 else Answer.of({"id": SECRET, "token": SECRET})

    with serve(handler) as server:
        shop = workshop(tmp_path, server, "path: /orders", "policy: {max_rejects: 5}")
        done = shop.run("run", "orders", "--json")
        told = done.stdout + done.stderr + shop.run("rejects", "orders", "--json").stdout
    assert done.returncode == 1, "one is in doubt"
    assert SECRET not in told
    kept = {path: unpacked(path) for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert any(b"may not" in text for path, text in kept.items() if "rejects-" in path.name), "the answer is kept"
    assert [path for path, text in kept.items() if SECRET.encode() in text] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("path: /orders", "At most once per item"),
        ("path: /orders, idempotency: Idempotency-Key", "Effectively once within the time"),
        ("path: /orders, external_id: number", "The same final state after retries: what may have arrived"),
        ('path: /orders, read_back: "/orders/{number}"', "Verified by reading back"),
        (
            'path: /orders, idempotency: Idempotency-Key, read_back: "/orders/{number}"',
            "After that time, or where only some items of a request are unknown, verified by reading back",
        ),
        ('path: "/orders/{number}", mode: delete, key: [number]', "what is gone already counts as removed"),
    ],
)
def test_the_promise_is_the_one_that_these_options_give(tmp_path, options, said):
    with serve(lambda _request: Answer.of({})) as server:
        shop = workshop(tmp_path, server, options)
        told = json.loads(shop.run("explain", "orders", "--json").stdout)
        assert said in told["deliveries"][0]["guarantee"]
        assert said in shop.run("explain", "orders").stdout


@pytest.mark.parametrize("known", [True, False])
def test_a_column_that_is_not_delivered_is_told_and_nothing_is_sent(tmp_path, known):
    with serve(lambda _request: Answer.of({})) as server:
        shop = workshop(tmp_path, server, "path: /orders, external_id: nr")
        path = tmp_path / "integrations" / "orders.yaml"
        if not known:
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join(line for line in lines if not line.startswith("translate")))
        done = shop.run("run", "orders")
        assert done.returncode == (2 if known else 1)
        assert ("option.no_field" if known else "http.column") in done.stdout + done.stderr
        assert server.requests == []
