"""What stands in a page: exact numbers, elements that are no objects, documents that are no JSON; positions, batches."""

from __future__ import annotations

import json

import pytest

from dragoman.connectors.http import gathering
from dragoman.core.errors import FatalError
from dragoman.core.fieldtype import words_of
from dragoman.testing.http_server import Answer, serve


def page(text: str | bytes) -> Answer:
    return Answer(text if isinstance(text, bytes) else text.encode(), headers={"Content-Type": "application/json"})


def test_18_values_keep_the_sources_own_words(read):
    text = '[{"id": 9007199254740993, "amount": 12.50, "big": 1e400, "none": null, "t": "\\u00e9\\n", "deep": {"b": [1, 2.0]}}]'
    with serve(lambda _: page(text)) as server:
        done = read(server.url)
    assert done.tokens == [
        {
            "id": "9007199254740993",
            "amount": "12.50",
            "big": "1e400",
            "none": None,
            "t": '"\\u00e9\\n"',
            "deep": '{"b": [1, 2.0]}',
        }
    ]
    (batch,) = done.batches
    assert {words_of(field) for field in batch.table.schema if field.name != "_position"} == {"json"}


def test_25_keys_with_the_names_of_python_are_data(read):
    with serve(lambda _: page('[{"__proto__": {"x": 1}, "__class__": "y"}]')) as server:
        assert read(server.url).rows == [{"__proto__": {"x": 1}, "__class__": "y"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('[{"a": NaN}]', "byte 7", id="17-nan"),
        pytest.param('[{"a": -Infinity}]', "invalid", id="17-infinity"),
        pytest.param('[{"a": 1, "b": 2, "a": 3}]', "'a' stands twice", id="19-record"),
        pytest.param('[{"a": {"b": 1, "b": 2}}]', "'b' stands twice", id="19-within"),
        pytest.param("[" * 100_000 + "]" * 100_000, "nested too deeply", id="20-depth"),
        pytest.param('[{"a": "\\ud800"}]', "half of a surrogate pair", id="22-surrogate"),
        pytest.param('[{"a": 1}] x', "trailing", id="23-garbage"),
        pytest.param('[{"a": 1}]{}', "trailing", id="23-second document"),
        pytest.param('[{"a": 1},]', "byte 10", id="24-comma"),
        pytest.param('[{"a": tru3}]', "byte 8", id="24-word"),
        pytest.param(b'[{"a": "\xff"}]', "byte 8 is not UTF-8", id="not utf-8"),
        pytest.param('[{"a": "x"}]'.encode("utf-16"), "not UTF-8", id="utf-16"),
    ],
)
def test_a_document_that_is_no_sound_json_is_refused_whole(read, text, said):
    with serve(lambda _: page(text)) as server, pytest.raises(FatalError, match=said) as caught:
        read(server.url)
    assert caught.value.code == "http.broken_json"
    assert "page 1" in caught.value.message
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "text", ['{"data": [], "data": [{"a": 1}]}', '{"data": [{"a": 1}], "m": {"next": 1, "next": 2}}']
)
def test_19_a_key_twice_around_the_list_is_refused(read, text):
    with serve(lambda _: page(text)) as server, pytest.raises(FatalError, match="stands twice"):
        read(server.url, records="data")


def test_21_a_value_without_end_is_left_at_the_limit(read):
    with serve(lambda _: page('[{"a": "' + "x" * 5000 + '"}]')) as server:
        assert len(read(server.url, max_bytes=6000).rows) == 1
        with pytest.raises(FatalError) as caught:
            read(server.url, max_bytes=5000)
    assert caught.value.code == "http.too_large"


def test_a_byte_order_mark_is_no_part_of_the_document(read):
    with serve(lambda _: page(b'\xef\xbb\xbf[{"id": 1}]')) as server:
        assert read(server.url).ids == [1]


def test_elements_that_are_no_objects_are_rejected_alone(read):
    with serve(lambda _: page('{"data": [{"id": 1}, 17, null, ["x"], {}, {"id": 2}]}')) as server:
        done = read(server.url, records="data")
    assert done.ids == [1, 2]
    assert [(reject.code, reject.position, reject.original) for reject in done.rejects] == [
        ("http.not_an_object", "page 1 item 2", "17"),
        ("http.not_an_object", "page 1 item 3", "null"),
        ("http.not_an_object", "page 1 item 4", '["x"]'),
        ("http.not_an_object", "page 1 item 5", "{}"),
    ]
    assert sum(batch.read for batch in done.batches) == 6


def test_records_know_their_page_and_batches_cross_pages(read, monkeypatch):
    def seven(request):
        at = int(request.params["offset"])
        return Answer.of([{"id": each, **({"late": True} if each == 6 else {})} for each in range(at, min(at + 3, 7))])

    with serve(seven) as server:
        done = read(server.url, paging={"type": "offset"}, batch_rows=2, params={"access_token": "s3cr3t"})
        assert [batch.table.num_rows for batch in done.batches] == [2, 2, 2, 1]
        assert done.positions[:4] == ["page 1 item 1", "page 1 item 2", "page 1 item 3", "page 2 item 2"]
        assert done.batches[0].origin == f"{server.url}/orders?access_token=***"
        assert done.rows[6] == {"id": 6, "late": True}
        monkeypatch.setattr(gathering, "BATCH_BYTES", 25)
        assert [
            batch.table.num_rows for batch in read(server.url, paging={"type": "offset", "anchor": "none"}).batches
        ] == [3, 3, 1]


def test_a_list_deep_within_is_found_and_a_wrong_path_says_what_is_there(read):
    document = {"result": {"items": [{"id": 1}], "count": 1}}
    with serve(lambda _: page(json.dumps(document))) as server:
        assert read(server.url, records="result.items").ids == [1]
        with pytest.raises(FatalError, match=r"an object with 'count', 'items' where 'rows' should be"):
            read(server.url, records="result.rows")
        with pytest.raises(FatalError, match=r"holds an object; expected a list"):
            read(server.url)
        with pytest.raises(FatalError, match=r"holds no object where 'x' should be"):
            read(server.url, records="result.items.x")


def test_an_empty_list_is_no_error_of_the_reader(read):
    with serve(lambda _: page("[]")) as server:
        done = read(server.url)
    assert done.batches == []
    assert done.end.nothing_new is False
    assert done.end.cursor is None
