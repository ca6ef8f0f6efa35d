"""Every type of paging with every end, and what looks like an end and is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dragoman.core.errors import ConfigError, FatalError, RetriableError
from dragoman.testing.http_server import Answer, Request, serve

CURSOR = {"type": "cursor", "next": "meta.next", "param": "after"}
LINK = {"type": "next_link", "next": "links.next"}
HEADER = {"type": "next_link", "next": "header"}


class Api:
    """A list of records, served as each paging type wants it. ``cap``: the most it gives, whatever is asked."""

    def __init__(self, count: int = 25, cap: int = 10, **more: Any) -> None:
        self.rows = [{"id": at, "name": f"n{at}"} for at in range(count)]
        self.cap = cap
        self.more = more
        self.spoil: dict[int, Callable[[dict[str, Any]], Any]] = {}
        self.calls = 0

    def __call__(self, request: Request) -> Answer:
        self.calls += 1
        params = request.params
        size = min(int(params.get("limit", params.get("per_page", self.cap))), self.cap)
        at = int(params.get("offset") or params.get("skip") or params.get("after") or 0)
        if "page" in params or "p" in params:
            first = self.more.get("first_page", 1)
            at = (int(params.get("page") or params.get("p") or 0) - first) * size
        rows, later = self.rows[at : at + size], at + size
        more = later < len(self.rows)
        document: dict[str, Any] = {
            "data": rows,
            "meta": {"next": str(later) if more else None, "total": len(self.rows), "more": more},
            "links": {"next": f"/orders?after={later}" if more else None},
        }
        spoil = self.spoil.get(self.calls)
        answer = spoil(document) if spoil else document
        named = {"X_Total_Count": str(len(self.rows))}
        if more:
            named["Link"] = f'</orders?x=1>; rel="prev", <?after={later}>; title="a, b"; rel="last next"'
        return answer if isinstance(answer, Answer) else Answer.of(answer, **named)


@pytest.mark.parametrize("count", [0, 1, 10, 20, 25])
@pytest.mark.parametrize(
    "paging",
    [
        LINK,
        HEADER,
        CURSOR,
        {**CURSOR, "size": 7},
        {"type": "offset"},
        {"type": "offset", "size": 7},
        {"type": "offset", "size": 100},
        {"type": "offset", "param": "skip", "size": 7, "size_param": "per_page"},
        {"type": "offset", "size": 7, "stop": {"when": "empty"}},
        {"type": "offset", "size": 7, "stop": {"when": "short"}},
        {"type": "offset", "size": 100, "stop": {"when": "total"}},
        {"type": "offset", "size": 7, "stop": {"field": "meta.more"}},
        {"type": "page"},
        {"type": "page", "size": 7, "stop": {"when": "short"}},
        {"type": "page", "param": "p", "size": 7, "stop": {"when": "total"}},
        {"type": "page", "stop": {"field": "meta.more"}},
    ],
    ids=lambda paging: "-".join(str(value) for value in paging.values()),
)
def test_every_type_reads_every_record_once(read, paging, count):
    total = "meta.total" if count % 2 else "X-Total-Count"
    with serve(Api(count)) as server:
        done = read(server.url, records="data", paging=paging, total=total)
    assert done.ids == list(range(count))


def test_the_pages_are_asked_for_as_the_paging_says(read):
    with serve(Api(5, cap=2)) as server:
        read(server.url, records="data", paging={"type": "offset", "size": 2}, params={"status": "open"})
        read(server.url, records="data", paging=CURSOR)
        read(server.url, records="data", paging={"type": "page"})
    assert [request.target for request in server.requests] == [
        "/orders?status=open&limit=2&offset=0",
        "/orders?status=open&limit=2&offset=1",
        "/orders?status=open&limit=2&offset=2",
        "/orders?status=open&limit=2&offset=3",
        "/orders?status=open&limit=2&offset=4",
        "/orders?status=open&limit=2&offset=5",
        "/orders",
        "/orders?after=2",
        "/orders?after=4",
        "/orders?page=1",
        "/orders?page=2",
        "/orders?page=3",
        "/orders?page=4",
        "/orders?page=5",
    ]


def test_pages_may_be_counted_from_zero(read):
    with serve(Api(25, first_page=0)) as server:
        assert len(read(server.url, records="data", paging={"type": "page", "start": 0}).ids) == 25


def test_a_list_without_paging_is_one_page(read):
    with serve(lambda _: Answer.of([{"id": 1}])) as server:
        assert read(server.url).ids == [1]
    assert len(server.requests) == 1


def test_a_key_with_dots_is_found_and_a_relative_link_leads_on(read):
    def odata(request: Request) -> Answer:
        if "skiptoken" in request.target:
            return Answer.of({"value": [{"id": 2}]})
        return Answer.of({"value": [{"id": 1}], "@odata.nextLink": "Orders?$skiptoken=1%202"})

    with serve(odata) as server:
        paging = {"type": "next_link", "next": "@odata.nextLink"}
        done = read(server.url, path="/v4/Orders", records="value", paging=paging)
    assert done.ids == [1, 2]
    assert server.requests[1].target == "/v4/Orders?$skiptoken=1%202"


def test_f06_a_total_that_changes_between_pages_is_red_and_read_again(read, waits):
    for change in (-1, +1):
        api = Api(25)

        def moved(document: dict[str, Any], api: Api = api, change: int = change) -> dict[str, Any]:
            return {**document, "meta": {**document["meta"], "total": 25 + change}}

        api.spoil[2] = moved
        with serve(api) as server, pytest.raises(RetriableError) as caught:
            read(server.url, records="data", paging={"type": "offset"}, total="meta.total")
        assert caught.value.code == "http.total_changed"


@pytest.mark.parametrize("at", [1, 2, 3])
def test_f06_rows_that_vanish_between_pages_are_missed_by_no_one(read, at):
    api = Api(25)

    def vanish(document: dict[str, Any]) -> dict[str, Any]:
        del api.rows[:3]
        return document

    api.spoil[at] = vanish
    with serve(api) as server, pytest.raises(RetriableError) as caught:
        read(server.url, records="data", paging={"type": "offset"}, total="meta.total")
    assert caught.value.code in {"http.total_changed", "http.short"}


DRIFTS = {
    "one deleted in front": (lambda rows: rows.pop(0), True),
    "a page deleted in front": (lambda rows: rows.__delitem__(slice(0, 10)), True),
    "all but the last page deleted": (lambda rows: rows.__delitem__(slice(0, 20)), True),
    "one deleted behind": (lambda rows: rows.pop(), False),
    "one put in front": (lambda rows: rows.insert(0, {"id": 99, "name": "new"}), False),
    "three put in front": (lambda rows: rows.__setitem__(slice(0, 0), [{"id": 90 + n} for n in range(3)]), False),
    "more than a page put in front": (
        lambda rows: rows.__setitem__(slice(0, 0), [{"id": -n} for n in range(40)]),
        True,
    ),
}


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("at", [2, 3])
@pytest.mark.parametrize("more", [{}, {"size": 10}, {"anchor": "id"}, {"stop": {"field": "meta.more"}}], ids=str)
def test_f06_without_a_total_the_anchor_tells_what_has_moved(read, drift, at, more):
    """No record that was there all the time is skipped in silence: it is read, or the reading is red."""
    api, (change, red) = Api(25), DRIFTS[drift]

    def move(request: Request) -> Answer:
        if api.calls == at - 1:
            change(api.rows)
        return api(request)

    with serve(move) as server:
        if red:
            with pytest.raises(RetriableError) as caught:
                read(server.url, records="data", paging={"type": "offset", **more})
            assert caught.value.code == "http.drift"
            return
        done = read(server.url, records="data", paging={"type": "offset", **more})
    assert [one for one in done.ids if one < 90] == [row["id"] for row in api.rows if row["id"] < 90]


def test_a_list_without_a_stable_order_can_do_without_the_anchor(read):
    def shuffled(request: Request) -> Answer:
        at = int(request.params["offset"])
        return Answer.of([{"id": each, "seen": len(server.requests)} for each in range(at, min(at + 10, 25))])

    with serve(shuffled) as server:
        with pytest.raises(RetriableError, match="anchor: id"):
            read(server.url, paging={"type": "offset"})
        assert len(read(server.url, paging={"type": "offset", "anchor": "id"}).ids) == 25
        assert len(read(server.url, paging={"type": "offset", "anchor": "none"}).ids) == 25
        cursor = {"column": "seen", "id": "id", "overlap": 0, "param": "since"}
        assert len(read(server.url, paging={"type": "offset"}, cursor=cursor).ids) == 25


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_the_smallest_pages_have_an_end_too(read, cap):
    for count in range(6):
        with serve(Api(count, cap=cap)) as server:
            assert read(server.url, records="data", paging={"type": "offset"}).ids == list(range(count))


def test_an_offset_that_the_server_does_not_heed_is_a_circle(read):
    with serve(lambda _: Answer.of([{"id": 1}, {"id": 2}, {"id": 3}])) as server:
        with pytest.raises(FatalError) as caught:
            read(server.url, paging={"type": "offset"})
        assert caught.value.code == "http.paging_loop"
    assert len(server.requests) == 3


def test_f07_a_server_that_caps_its_pages_is_followed_by_what_it_gave(read):
    with serve(Api(25, cap=4)) as server:
        done = read(server.url, records="data", paging={"type": "offset", "size": 10})
    assert done.ids == list(range(25))


@pytest.mark.parametrize("paging", [CURSOR, LINK], ids=["cursor", "next_link"])
def test_f08_a_next_page_that_is_not_named_is_an_end_only_if_the_total_agrees(read, paging):
    api = Api(25)
    api.spoil[2] = lambda document: {"data": document["data"], "meta": {"total": 25}}
    with serve(api) as server, pytest.raises(RetriableError) as caught:
        read(server.url, records="data", paging=paging, total="meta.total")
    assert caught.value.code == "http.short"
    assert "25 records, and 20 were read" in caught.value.message


@pytest.mark.parametrize(
    "paging", [CURSOR, LINK, {"type": "offset"}, {"type": "page"}], ids=lambda paging: paging["type"]
)
def test_f09_an_error_body_in_the_middle_is_red(read, paging):
    api = Api(25)
    api.spoil[2] = lambda _: {"error": "rate limit", "data": []}
    with serve(api) as server, pytest.raises(FatalError, match="an error of the API"):
        read(server.url, records="data", paging=paging)


@pytest.mark.parametrize(
    "paging", [CURSOR, LINK, {"type": "offset", "stop": {"field": "meta.more"}}], ids=["cursor", "link", "more"]
)
def test_f10_an_empty_page_in_the_middle_is_no_end(read, paging):
    api = Api(25)
    api.spoil[2] = lambda document: {**document, "data": []}
    with serve(api) as server, pytest.raises((FatalError, RetriableError)) as caught:
        read(server.url, records="data", paging=paging)
    assert caught.value.code == ("http.drift" if paging["type"] == "offset" else "http.empty_page")


@pytest.mark.parametrize(
    "paging", [{"type": "offset"}, {"type": "page"}, {"type": "offset", "stop": {"when": "total"}}], ids=str
)
def test_f10_an_empty_page_before_the_total_is_red(read, paging):
    api = Api(25)
    api.spoil[2] = lambda document: {**document, "data": []}
    with serve(api) as server, pytest.raises(RetriableError) as caught:
        read(server.url, records="data", paging=paging, total="meta.total")
    assert caught.value.code == ("http.drift" if paging["type"] == "offset" else "http.short")


@pytest.mark.parametrize("paging", [{"type": "page"}, {"type": "page", "size": 10, "stop": "empty"}], ids=str)
def test_f10_where_an_empty_page_is_the_only_end_the_one_behind_it_is_asked_too(read, paging):
    api = Api(25)
    api.spoil[2] = lambda document: {**document, "data": []}
    with serve(api) as server, pytest.raises(RetriableError) as caught:
        read(server.url, records="data", paging=paging)
    assert caught.value.code == "http.gap"


@pytest.mark.parametrize(
    "paging", [CURSOR, LINK, {"type": "offset"}, {"type": "page"}], ids=lambda paging: paging["type"]
)
def test_f10_a_null_page_in_the_middle_is_red(read, paging):
    api = Api(25)
    api.spoil[2] = lambda document: {**document, "data": None}
    with serve(api) as server, pytest.raises(FatalError) as caught:
        read(server.url, records="data", paging=paging)
    assert caught.value.code == "http.unexpected_body"


@pytest.mark.parametrize("paging", [CURSOR, LINK], ids=["cursor", "link"])
def test_an_api_that_filters_after_it_has_cut_may_have_empty_pages(read, paging):
    def sparse(request: Request) -> Answer:
        at = int(request.params.get("after", 0))
        rows = [] if at in {10, 20} else [{"id": at}]
        nxt = at + 10 if at < 40 else None
        return Answer.of({"data": rows, "meta": {"next": nxt, "total": 3}, "links": {"next": nxt and f"?after={nxt}"}})

    with serve(sparse) as server:
        assert read(server.url, records="data", paging={**paging, "empty": "skip"}).ids == [0, 30, 40]
        assert read(server.url, records="data", paging=paging, total="meta.total").ids == [0, 30, 40]
        assert read(server.url, records="data", paging={**paging, "stop": {"when": "empty"}}).ids == [0]


def test_a_short_page_is_no_end_unless_the_paging_says_so(read):
    def short(request: Request) -> Answer:
        at = int(request.params["page"])
        return Answer.of([{"id": at * 10 + each} for each in range({1: 5, 2: 2, 3: 5}.get(at, 0))])

    with serve(short) as server:
        assert len(read(server.url, paging={"type": "page", "size": 5}).ids) == 12
        assert len(read(server.url, paging={"type": "page", "size": 5, "stop": {"when": "short"}}).ids) == 7


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"data": [{"id": 1}], "meta": {}}, "the total meta.total is missing"),
        ({"data": [{"id": 1}], "meta": {"total": "many"}}, "not a number"),
        ({"data": [{"id": 1}], "meta": {"total": True}}, "not a number"),
        ({"data": [{"id": 1}], "meta": {"total": 1, "next": {"a": 1}}}, "not a token"),
        ({"data": [{"id": 1}], "meta": {"total": 1, "next": [1]}}, "not a token"),
    ],
)
def test_paging_values_that_cannot_be_used_are_told(read, document, said):
    with serve(lambda _: Answer.of(document)) as server, pytest.raises(FatalError, match=said):
        read(server.url, records="data", paging=CURSOR, total="meta.total")


def test_a_field_that_says_there_is_more_must_be_there(read):
    with (
        serve(lambda _: Answer.of({"data": [{"id": 1}]})) as server,
        pytest.raises(FatalError, match="has_more is missing"),
    ):
        read(server.url, records="data", paging={"type": "page", "stop": {"field": "has_more"}})


@pytest.mark.parametrize(
    ("paging", "said"),
    [
        ({"type": "cursor", "param": "after"}, "where the next one stands"),
        ({"type": "next_link"}, "where the next one stands"),
        ({"type": "cursor", "next": "meta.next"}, "the parameter for the token"),
        ({"type": "cursor", "next": "header", "param": "after"}, "a URL, not a token"),
        ({"type": "offset", "stop": {"when": "short"}}, "how long a whole page is"),
        ({"type": "offset", "stop": {"when": "total"}}, "where the total stands"),
        ({"type": "page", "stop": {"when": "short", "field": "x"}, "size": 1}, "both a rule and a field"),
        ({"type": "next_link", "next": "x", "stop": {"field": "x"}}, "where no next one is named"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_sent(read, paging, said):
    with pytest.raises(ConfigError, match=said) as caught:
        read("http://127.0.0.1:1", paging=paging)
    assert caught.value.code == "http.paging"
