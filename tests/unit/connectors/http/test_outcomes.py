"""What an answer of success says of each item: nothing that it does not say is taken for delivered."""

from __future__ import annotations

import json

import pytest

from http_answers import answer, letters

OK3 = [{"id": 1}, {"id": 2}, {"id": 3}]
ITEMS = {"items": "results"}
BY_SKU = {"items": "results", "match": {"field": "sku"}}
BY_OTHER = {"items": "results", "match": {"field": "externalId", "column": "sku"}}
FAILED = {"failed": "errors"}
BOTH = {"items": "results", "failed": "errors", "match": {"field": "sku"}}
DEEP = "[" * 100_000 + "]" * 100_000

ONE = [
    # nothing is said beside the status
    ("empty 200", "", {}, "D"),
    ("empty 201", "", {"status": 201}, "D"),
    ("empty 202", "", {"status": 202}, "D"),
    ("empty 204", "", {"status": 204}, "D"),
    ("blank", " \r\n ", {}, "D"),
    ("empty 207", "", {"status": 207}, "U"),
    ("empty 200 where a result is needed", "", {"result": {"status": "state"}}, "U"),
    ("empty 204 where a result is needed", "", {"status": 204, "result": ITEMS}, "U"),
    ("empty object", {}, {}, "D"),
    ("null", None, {}, "D"),
    ("the item itself", {"id": 5, "sku": "a"}, {"status": 201}, "D"),
    ("in an envelope", {"data": {"id": 5}}, {}, "D"),
    ("a list of one", [{"id": 5}], {}, "D"),
    ("an empty list", [], {}, "U"),
    ("a list of two", [{"id": 5}, {"id": 6}], {}, "U"),
    # words, flags, statuses
    ("status ok", {"status": "ok"}, {}, "D"),
    ("status Created", {"status": "Created"}, {}, "D"),
    ("status error", {"status": "error"}, {}, "R"),
    ("status ERROR", {"status": "ERROR"}, {}, "R"),
    ("status fail (JSend)", {"status": "fail", "data": {"title": "is needed"}}, {}, "R"),
    ("status partial", {"status": "partial"}, {}, "U"),
    ("status partial success", {"status": "partial success"}, {}, "U"),
    ("status 200", {"status": 200}, {}, "D"),
    ("status 400 as a number", {"status": 400, "title": "no"}, {}, "R"),
    ("status 400 as a text", {"status": "400 Bad Request"}, {}, "R"),
    ("status HTTP/1.1 409", {"status": "HTTP/1.1 409 Conflict"}, {}, "R"),
    ("status 500", {"status": 500}, {}, "U"),
    ("status 503", {"statusCode": 503}, {}, "U"),
    ("status 429", {"status": 429}, {}, "A"),
    ("status throttled", {"status": "throttled"}, {}, "A"),
    ("status 302", {"status": 302}, {}, "U"),
    ("status 207 within", {"status": 207}, {}, "U"),
    ("status 0", {"status": 0}, {}, "U"),
    ("status -1", {"status": -1}, {}, "U"),
    ("status beyond reason", '{"status": ' + "9" * 50 + "}", {}, "U"),
    ("status true", {"status": True}, {}, "D"),
    ("status false", {"status": False}, {}, "R"),
    ("a status of the trade", {"id": 5, "status": "shipped"}, {}, "D"),
    ("success true", {"success": True}, {}, "D"),
    ("success false", {"success": False}, {}, "R"),
    ("success 'false'", {"success": "false"}, {}, "R"),
    ("success 0", {"success": 0}, {}, "R"),
    ("success 1", {"success": 1}, {}, "D"),
    ("success of an odd kind", {"success": {}}, {}, "U"),
    ("ok false (Slack)", {"ok": False, "error": "channel_not_found"}, {}, "R"),
    ("isSuccess false", {"isSuccess": False}, {}, "R"),
    ("has_errors", {"id": 5, "has_errors": True}, {}, "R"),
    ("has no errors", {"id": 5, "has_errors": False}, {}, "D"),
    ("errors", {"errors": [{"message": "no"}]}, {}, "R"),
    ("errors beside an id", {"id": 5, "errors": ["no"]}, {}, "R"),
    ("no errors", {"id": 5, "errors": []}, {}, "D"),
    ("error null", {"id": 5, "error": None}, {}, "D"),
    ("error empty", {"id": 5, "error": ""}, {}, "D"),
    ("error false", {"id": 5, "error": False}, {}, "D"),
    ("error true", {"error": True}, {}, "R"),
    ("error {}", {"error": {}}, {}, "D"),
    ("error text", {"error": "invalid"}, {}, "R"),
    ("errors {field: why}", {"errors": {"sku": ["is taken"]}}, {}, "R"),
    ("errcode", {"errcode": 40001, "errmsg": "no"}, {}, "R"),
    ("errcode 0", {"errcode": 0, "errmsg": "ok"}, {}, "D"),
    ("code with a sentence", {"code": 400, "message": "no"}, {}, "R"),
    ("code 200 with a sentence", {"code": 200, "message": "fine"}, {}, "D"),
    ("a code of the trade", {"id": 5, "code": 404}, {}, "D"),
    ("contradiction: ok and an error", {"status": "ok", "error": "but"}, {}, "U"),
    ("contradiction: success and errors", {"success": True, "errors": ["no"]}, {}, "U"),
    ("an error in an envelope", {"response": {"errors": ["no"]}}, {}, "R"),
    ("a flag in an envelope", {"result": {"success": False}}, {}, "R"),
    ("GraphQL", {"data": None, "errors": [{"message": "no"}]}, {}, "R"),
    ("keys in another style", {"Is-Success": False}, {}, "R"),
    ("Status in capitals", {"Status": "FAILED"}, {}, "R"),
    ("insertErrors (BigQuery)", {"kind": "x", "insertErrors": [{"index": 0}]}, {}, "R"),
    ("UnprocessedItems (DynamoDB)", {"UnprocessedItems": {"t": [{}]}}, {}, "U"),
    ("no UnprocessedItems", {"UnprocessedItems": {}}, {}, "D"),
    ("userErrors (Shopify)", {"data": {"orderCreate": {"order": None, "userErrors": [{"message": "no"}]}}}, {}, "R"),
    ("no userErrors", {"data": {"orderCreate": {"order": {"id": 5}, "userErrors": []}}}, {}, "D"),
    ("partialFailureError (Google Ads)", {"partialFailureError": {"code": 3}}, {}, "R"),
    ("a default", {"id": 5, "default": {"a": 1}, "error_rate": 0.5}, {}, "D"),
    ("only a message that complains", {"message": "Invalid API key"}, {}, "U"),
    ("only a message", {"message": "created"}, {}, "D"),
    ("a status of a batch within (Facebook)", {"code": 400, "headers": [], "body": "{}"}, {}, "R"),
    # an echo is no sign
    ("an echo of a failed order", {"id": 1, "status": "failed"}, {"values": {"status": "failed"}}, "D"),
    ("no echo", {"id": 1, "status": "failed"}, {"values": {"status": "paid"}}, "R"),
    ("an echo of true is a sign still", {"success": False}, {"values": {"success": False}}, "R"),
    # bare values
    ("true", True, {}, "D"),
    ("false", False, {}, "R"),
    ("a bare id", 5, {}, "D"),
    ("a bare number that may be a status", 400, {}, "U"),
    ("a bare 201", 201, {}, "U"),
    ("zero", 0, {}, "U"),
    ("a number with a fraction", "1.5", {}, "U"),
    ("a word", "created", {"headers": {"content-type": "text/plain"}}, "D"),
    ("a JSON word", '"created"', {}, "D"),
    ("a JSON complaint", '"Invalid key"', {}, "U"),
    ("a JSON error", '"error"', {}, "R"),
    ("a bare uuid", '"0d7f2c1e-0d7f-4c1e-8d7f-2c1e0d7f2c1e"', {}, "D"),
    ("an empty JSON text", '""', {}, "D"),
    # no JSON
    ("ok as text (webhooks)", "ok", {"headers": {"content-type": "text/plain; charset=utf-8"}}, "D"),
    ("a complaint as text", "Error: no", {"headers": {"content-type": "text/plain"}}, "U"),
    ("text where JSON is announced", "ok", {}, "U"),
    ("HTML", "<html>Sign in</html>", {"headers": {"content-type": "text/html"}}, "U"),
    ("HTML that calls itself text", "<html>Sign in</html>", {"headers": {"content-type": "text/plain"}}, "U"),
    ("XML", "<ok/>", {"headers": {"content-type": "application/xml"}}, "U"),
    ("broken JSON", '{"id": 5', {}, "U"),
    ("broken JSON as text", '{"id": 5', {"headers": {"content-type": "text/plain"}}, "U"),
    ("two documents", '{"id": 5}{"id": 6}', {}, "U"),
    ("NaN", '{"id": NaN}', {}, "U"),
    ("Infinity", '{"id": -Infinity}', {}, "U"),
    ("a key that stands twice", '{"success": false, "success": true}', {}, "U"),
    ("a key that stands twice, deep", '{"id": 5, "a": [{"b": 1, "b": 2}]}', {}, "U"),
    ("nested too deeply", DEEP, {}, "U"),
    ("a number of 5000 digits", '{"id": ' + "1" * 5000 + "}", {}, "U"),
    ("no UTF-8", b'{"id": "\xff"}', {}, "U"),
    ("a byte order mark", b'\xef\xbb\xbf{"id": 5}', {}, "D"),
    ("half a surrogate pair", '{"id": "\\ud800"}', {}, "D"),
    ("NUL and escapes", '{"id": "a\\u0000\\u001b[31m"}', {}, "D"),
    # result, as a whole
    ("status named", {"state": {"code": "done"}}, {"result": {"status": "state.code", "ok": ["done"]}}, "D"),
    ("status named, not in ok", {"state": "open"}, {"result": {"status": "state", "ok": ["done"]}}, "R"),
    ("status named, without ok", {"state": "open"}, {"result": {"status": "state"}}, "U"),
    ("status named, a usual word", {"state": "created"}, {"result": {"status": "state"}}, "D"),
    ("status named, not there", {"id": 5}, {"result": {"status": "state"}}, "U"),
    ("status named, null", {"state": None}, {"result": {"status": "state", "ok": ["done"]}}, "U"),
    ("status named, a list", {"state": ["done"]}, {"result": {"status": "state", "ok": ["done"]}}, "U"),
    ("status named, true", {"done": True}, {"result": {"status": "done", "ok": ["true"]}}, "D"),
    ("ok 0 as a number", {"rc": 0}, {"result": {"status": "rc", "ok": ["0"]}}, "D"),
    ("not ok: 429", {"rc": 429}, {"result": {"status": "rc", "ok": ["200"]}}, "A"),
    ("not ok: 502", {"rc": 502}, {"result": {"status": "rc", "ok": ["200"]}}, "U"),
    ("the status alone counts", {"rc": 0, "success": False}, {"result": {"status": "rc", "ok": ["0"]}}, "D"),
    ("error named, there", {"rc": "x", "fehler": "nein"}, {"result": {"error": "fehler"}}, "R"),
    ("error named, not there", {"id": 5}, {"result": {"error": "fehler"}}, "D"),
    ("error named, empty", {"id": 5, "fehler": []}, {"result": {"error": "fehler"}}, "D"),
    ("status and error contradict", {"rc": 0, "e": "x"}, {"result": {"status": "rc", "ok": ["0"], "error": "e"}}, "U"),
    ("a list of one result", {"results": [{"id": 5}]}, {"result": ITEMS}, "D"),
    ("a list of no result", {"results": []}, {"result": ITEMS}, "U"),
    ("a key with dots", {"@odata.results": [{"id": 5}]}, {"result": {"items": "@odata.results"}}, "D"),
]

MANY = [
    ("empty", "", {}, "DDD*"),
    ("an object without an error", {"count": 3}, {}, "DDD*"),
    ("the same number of records", OK3, {}, "DDD"),
    ("one fewer", OK3[:2], {}, "UUU*"),
    ("one more", [*OK3, {"id": 4}], {}, "UUU*"),
    ("null among them", [{"id": 1}, None, {"id": 3}], {}, "DUD"),
    ("an empty object among them", [{"id": 1}, {}, {"id": 3}], {}, "DUD"),
    ("an error among them", [{"id": 1}, {"error": "no"}, {"id": 3}], {}, "DRD"),
    ("flags", [True, False, None], {}, "DRU"),
    ("words", ["ok", "error", "?!"], {}, "DRD"),
    ("numbers that may be statuses", [201, 400, 7], {}, "UUD"),
    ("lists", [[1], [], {"id": 1}], {}, "UUD"),
    ("nested deeply", [{"id": 1}, {"id": {"a": {"b": [{}]}}}, {"id": 3}], {}, "DDD"),
    ("statuses", [{"status": 201}, {"status": 422}, {"status": 500}], {}, "DRU"),
    ("statuses again", [{"status": 429}, {"status": 408}, {"status": 424}], {}, "AAA"),
    ("207 with one list of results", {"x": [{"status": 201}, {"status": 400}, {"status": 201}]}, {"status": 207}, "DRD"),
    ("207 with two lists", {"x": [{"status": 201}] * 3, "y": [{"status": 400}] * 3}, {"status": 207}, "UUU*"),
    ("207 with too few results", {"x": [{"status": 201}] * 2}, {"status": 207}, "UUU*"),
    ("207 with an object", {"ok": True}, {"status": 207}, "UUU*"),
    ("207 with no sign", {"x": 1}, {"status": 207}, "UUU*"),
    ("200 with one list of results", {"x": [{"status": 201}, {"status": 400}, {"status": 201}]}, {}, "DRD"),
    ("200 with a list that failed in part", {"x": [{"status": 201}, {"status": 400}]}, {}, "UUU*"),
    ("errors of some", {"errors": [{"message": "no"}]}, {}, "UUU*"),
    ("errors of some beside records", {"records": OK3[:2], "errors": [{"message": "no"}]}, {}, "UUU*"),
    ("a number of errors", {"numErrors": 1}, {}, "UUU*"),
    ("FailedRecordCount", {"FailedRecordCount": 1}, {}, "UUU*"),
    ("no errors", {"numErrors": 0}, {}, "DDD*"),
    ("errors: true", {"errors": True}, {}, "UUU*"),
    ("the whole failed", {"status": "error", "message": "no"}, {}, "RRR*"),
    ("the whole was no success", {"success": False}, {}, "RRR*"),
    ("no success, with errors of some", {"success": False, "errors": ["row 2"]}, {}, "UUU*"),
    ("errors, all or nothing", {"errors": [{"message": "no"}]}, {"result": {"atomic": True}}, "RRR*"),
    ("the whole is status 500", {"status": 500}, {}, "UUU*"),
    ("the whole is throttled", {"status": 429}, {}, "AAA*"),
    ("broken", '[{"id": 1}', {}, "UUU*"),
    ("text", "ok", {"headers": {"content-type": "text/plain"}}, "DDD*"),
    ("capitals (SQS)", {"Successful": [{"Id": "a"}], "Failed": [{"Id": "b"}]}, {}, "UUU*"),
    ("insertErrors (BigQuery)", {"insertErrors": [{"index": 1}]}, {}, "UUU*"),
    ("UnprocessedItems (DynamoDB)", {"UnprocessedItems": {"t": [{}]}}, {}, "UUU*"),
    ("errors, and items without a plain sign (Elasticsearch)", {"errors": True, "items": [{"index": {"status": s}} for s in (201, 400, 201)]}, {}, "UUU*"),
    ("no errors (Elasticsearch)", {"errors": False, "items": [{"index": {"status": 201}}] * 3}, {}, "DDD*"),
    ("success and errors for each (Salesforce)", [{"id": "0", "success": True, "errors": []}, {"success": False, "errors": [{"statusCode": "X", "message": "no"}]}, {"id": "1", "success": True, "errors": []}], {}, "DRD"),
    ("responses (Microsoft Graph)", {"responses": [{"id": "1", "status": 201}, {"id": "2", "status": 429}, {"id": "3", "status": 400}]}, {}, "DAR"),
    ("a batch with a hole (Facebook)", [{"code": 200, "body": "{}"}, None, {"code": 400, "body": "{}"}], {}, "DUR"),
    ("another order, by what comes back", [{"sku": "b", "error": "no"}, {"sku": "a"}, {"sku": "c"}], {}, "DRD"),
    ("another order, by an index", [{"index": 2, "error": "no"}, {"index": 0}, {"index": 1}], {}, "DDR"),
    ("an order that fits none", [{"sku": "b"}, {"sku": "b"}, {"error": "no"}], {}, "UUU*"),
    ("ids of the server's own that look like others'", [{"id": 11}, {"id": 12}, {"id": 13}], {}, "DDD"),
    ("another order among signs", {"r": [{"sku": "c", "status": 400}, {"sku": "a", "status": 201}, {"sku": "b", "status": 201}]}, {"status": 207}, "DDR"),
    # a list is named
    ("all there", {"results": OK3}, {"result": ITEMS}, "DDD"),
    ("the document is the list", OK3, {"result": {"items": ""}}, "DDD"),
    ("no list", {"results": {"a": 1}}, {"result": ITEMS}, "UUU*"),
    ("no such key", {"other": OK3}, {"result": ITEMS}, "UUU*"),
    ("null", {"results": None}, {"result": ITEMS}, "UUU*"),
    ("the document is no object", 5, {"result": ITEMS}, "UUU*"),
    ("the whole failed instead", {"status": "error"}, {"result": ITEMS}, "RRR*"),
    ("one fewer, by order", {"results": OK3[:2]}, {"result": ITEMS}, "UUU"),
    ("one more, by order", {"results": [*OK3, {}]}, {"result": ITEMS}, "UUU"),
    ("paths into a result", {"results": [{"index": {"status": s}} for s in (201, 400, 200)]}, {"result": {"items": "results", "status": "index.status"}}, "DRD"),
    ("ok lists words", {"results": [{"s": "neu"}, {"s": "alt"}, {"s": "NEU"}]}, {"result": {"items": "results", "status": "s", "ok": ["neu"]}}, "DRD"),
    # by a field
    ("in another order", {"results": [{"sku": "c"}, {"sku": "a"}, {"sku": "b", "error": "no"}]}, {"result": BY_SKU}, "DRD"),
    ("one is not named", {"results": [{"sku": "a"}, {"sku": "c"}]}, {"result": BY_SKU}, "DUD"),
    ("one stands twice", {"results": [{"sku": "a"}, {"sku": "a"}, {"sku": "b"}, {"sku": "c"}]}, {"result": BY_SKU}, "UDD"),
    ("refused twice is refused", {"results": [{"sku": "a", "error": "x"}, {"sku": "a", "error": "y"}, {"sku": "b"}, {"sku": "c"}]}, {"result": BY_SKU}, "RDD"),
    ("a stranger", {"results": [{"sku": "a"}, {"sku": "z"}, {"sku": "c"}]}, {"result": BY_SKU}, "DUD"),
    ("without the field", {"results": OK3}, {"result": BY_SKU}, "UUU"),
    ("the field is odd", {"results": [{"sku": None}, {"sku": ["a"]}, {"sku": True}]}, {"result": BY_SKU}, "UUU"),
    ("named as in the column", {"results": [{"externalId": "a"}, {"externalId": "b"}]}, {"result": BY_OTHER}, "DDU"),
    ("a number as text", {"results": [{"id": "10"}, {"id": 11}, {"id": "12.0"}]}, {"result": {"items": "results", "match": {"field": "id"}}}, "DDD"),
    ("numbers of the server's own", {"results": [{"id": 1}, {"id": 2}, {"id": 3}]}, {"result": {"items": "results", "match": {"field": "id"}}}, "UUU"),
    ("keyed by the field", {"results": {"a": {"ok": True}, "c": {"ok": False}, "b": "created"}}, {"result": BY_SKU}, "DDR"),
    ("elements that are no objects", {"results": ["a", 5, None]}, {"result": BY_SKU}, "UUU"),
    # only failures
    ("none failed", {"errors": []}, {"result": FAILED}, "DDD"),
    ("one failed", {"errors": [{"index": 1, "message": "no"}]}, {"result": FAILED}, "DRD"),
    ("all failed", {"errors": [{"index": 0}, {"index": 1}, {"index": 2}]}, {"result": FAILED}, "RRR"),
    ("an index as text", {"errors": [{"index": "2"}]}, {"result": FAILED}, "DDR"),
    ("an index beyond", {"errors": [{"index": 3}]}, {"result": FAILED}, "UUU"),
    ("a negative index", {"errors": [{"index": -1}]}, {"result": FAILED}, "UUU"),
    ("an index that is true", {"errors": [{"index": True}]}, {"result": FAILED}, "UUU"),
    ("an index that is 1.0", '{"errors": [{"index": 1.0}]}', {"result": FAILED}, "UUU"),
    ("a failure without an index", {"errors": [{"index": 0}, {"message": "no"}]}, {"result": FAILED}, "RUU"),
    ("a failure that is a text", {"errors": ["no"]}, {"result": FAILED}, "UUU"),
    ("failures that are no list", {"errors": "no"}, {"result": FAILED}, "UUU"),
    ("failures are not there, nothing is wrong", {"count": 3}, {"result": FAILED}, "DDD*"),
    ("failures are not there, 207", {"count": 3}, {"result": FAILED, "status": 207}, "UUU*"),
    ("failures are not there, all failed", {"success": False}, {"result": FAILED}, "RRR*"),
    ("failures are not there, a list", OK3, {"result": FAILED}, "UUU*"),
    ("a failure that may pass", {"errors": [{"index": 0, "status": 429}, {"index": 1, "status": 503}]}, {"result": FAILED}, "AUD"),
    ("by a field", {"errors": [{"sku": "b"}]}, {"result": {"failed": "errors", "match": {"field": "sku"}}}, "DRD"),
    ("by a position", {"errors": [{"row": 1}]}, {"result": {"failed": "errors", "match": {"field": "row", "column": "position"}}}, "RDD"),
    ("by an index of another name", {"errors": [{"row": 1}]}, {"result": {"failed": "errors", "match": {"field": "row", "column": "index"}}}, "DRD"),
    # both
    ("success and failure apart (HubSpot)", {"results": [{"sku": "a"}, {"sku": "c"}], "errors": [{"sku": "b"}]}, {"result": BOTH, "status": 207}, "DRD"),
    ("in neither", {"results": [{"sku": "a"}], "errors": [{"sku": "b"}]}, {"result": BOTH}, "DRU"),
    ("in both", {"results": [{"sku": "a"}, {"sku": "b"}], "errors": [{"sku": "b"}]}, {"result": BOTH}, "DUU"),
    ("no failures listed", {"results": [{"sku": "a"}, {"sku": "b"}]}, {"result": BOTH}, "DDU"),
    ("failures that name nobody", {"results": [{"sku": "a"}], "errors": [{}]}, {"result": BOTH}, "DUU"),
    # all or nothing
    ("atomic, one refused", {"results": [{"status": 201}, {"status": 400}, {"status": 201}]}, {"result": {"items": "results", "atomic": True}}, "ARA"),
    ("atomic, one unknown", {"results": [{"status": 201}, {"status": 500}, {"status": 201}]}, {"result": {"items": "results", "atomic": True}}, "UUU"),
    ("atomic, all refused", {"results": [{"status": 400}] * 3}, {"result": {"items": "results", "atomic": True}}, "RRR*"),
    ("atomic, all in", {"results": OK3}, {"result": {"items": "results", "atomic": True}}, "DDD"),
    # the whole is named
    ("whole ok", {"rc": 0}, {"result": {"status": "rc", "ok": ["0"]}}, "DDD*"),
    ("whole not ok", {"rc": 7}, {"result": {"status": "rc", "ok": ["0"]}}, "RRR*"),
    ("whole unsaid", {}, {"result": {"status": "rc", "ok": ["0"]}}, "UUU*"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "more", "expected"), [case[1:] for case in ONE], ids=[case[0] for case in ONE])
def test_an_answer_about_one_item(body, more, expected):
    assert letters(answer(json.dumps(body) if body is None else body, **more)) == expected


@pytest.mark.parametrize(("body", "more", "expected"), [case[1:] for case in MANY], ids=[case[0] for case in MANY])
def test_an_answer_about_three_items(body, more, expected):
    assert letters(answer(body, count=3, **more)) == expected


def test_reasons_ids_and_fields_are_told():
    result = {"items": "r", "id": "ref", "code": "e.c", "error": "e.m", "field": "e.f"}
    done = answer(
        {"r": [{"ref": "X-7"}, {"e": {"c": "E12", "m": "no such shop", "f": "shop"}}]}, count=2, result=result
    )
    assert letters(done) == "DR"
    good, bad = done.outcomes
    assert good.remote_id == "X-7"
    assert (bad.code, bad.field) == ("http.item_refused", "shop")
    assert bad.message == "the server refused the item: no such shop (E12)"
    assert "E12" in bad.answer


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ({"id": 7}, {}, "7"),
        ({"data": {"id": "a-b"}}, {}, "a-b"),
        ({"_id": "x"}, {}, "x"),
        ('{"id": 7.50}', {}, "7.50"),
        ({"id": {"a": 1}}, {}, '{"a": 1}'),
        ("", {"location": "https://api.example.com/orders/77?x=1"}, "77"),
        ("", {"location": "/orders/a%20b/"}, "a b"),
        ({"id": 7}, {"location": "/orders/77"}, "7"),
        ("", {}, ""),
    ],
)
def test_the_id_of_the_server_is_kept(body, headers, expected):
    assert answer(body, status=201, headers=headers).outcomes[0].remote_id == expected


def test_secrets_and_control_characters_of_an_answer_are_not_kept():
    done = answer({"error": "bad s3cret-token\n\x1b[31m", "authorization": "Bearer abcdef"}).outcomes[0]
    for text in (done.message, done.answer, done.remote_id, done.field):
        assert "s3cret-token" not in text
        assert "abcdef" not in text
        assert not set(text) & set("\n\x1b")


def test_an_answer_is_kept_short():
    done = answer({"error": "x" * 100_000}).outcomes[0]
    assert len(done.message) < 1000
    assert len(done.answer) < 1000
