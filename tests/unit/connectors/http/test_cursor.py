"""Reading on from run to run: nothing is lost at the boundary, nothing is doubled, late records are found."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from dragoman.connectors.http import position
from dragoman.connectors.http.cursor_value import read_text, read_value
from dragoman.core.errors import ConfigError, FatalError
from dragoman.testing.http_server import Answer, Request, serve

CURSOR = {"column": "updated_at", "id": "id", "param": "since"}


class Shop:
    """Records that an API filters by ``since``, as ``keeps`` says (by default ``>=``), two on a page."""

    def __init__(self, *rows: tuple[int, Any], keeps: Callable[[Any, str], bool] | None = None) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.keeps = keeps or (lambda value, since: moment(value) >= moment(since))
        self.put(*rows)

    def put(self, *rows: tuple[int, Any], **more: Any) -> None:
        for number, value in rows:
            self.rows[number] = {"id": number, "updated_at": value, **more}

    def __call__(self, request: Request) -> Answer:
        since = request.params.get("since")
        found = [row for row in self.rows.values() if since is None or self.keeps(row["updated_at"], since)]
        at = int(request.params.get("offset", 0))
        return Answer.of(found[at : at + 2])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Follower:
    """Runs one after the other, each from where the last ended."""

    def __init__(self, read: Any, url: str, **cursor: Any) -> None:
        self.read, self.url, self.at = read, url, None
        self.cursor = {**CURSOR, **cursor}

    def run(self, **options: Any) -> list[int]:
        self.last = self.read(self.url, self.at, cursor=self.cursor, paging={"type": "offset"}, **options)
        assert self.last.end.nothing_new is True
        self.at = json.loads(json.dumps(self.last.end.cursor))
        return self.last.ids


def test_the_first_reading_asks_for_all_and_the_next_for_what_is_new(read):
    shop = Shop((1, "2026-01-05T10:00:00+01:00"), (2, "2026-01-05T10:00:01+01:00"))
    with serve(shop) as server:
        runs = Follower(read, server.url)
        assert runs.run() == [1, 2]
        assert runs.at == {"value": "2026-01-05T10:00:01+01:00", "id": "2", "seen": runs.at["seen"]}
        assert runs.run() == []
        assert runs.last.filtered == {"duplicate": 1}
        shop.put((3, "2026-01-05T10:00:02+01:00"), (1, "2026-01-05T10:00:03+01:00"))
        assert runs.run() == [1, 3]
        assert runs.run() == []
    assert "since" not in server.requests[0].params
    assert "since=2026-01-05T10:00:01%2B01:00" in server.requests[3].target


def test_f01_ties_on_the_last_value_are_delivered_and_not_doubled(read):
    shop = Shop((1, "2026-01-05T10:00:00Z"), (2, "2026-01-05T10:00:00Z"))
    with serve(shop) as server:
        runs = Follower(read, server.url)
        assert runs.run() == [1, 2]
        for number in (3, 4, 5):
            shop.put((number, "2026-01-05T10:00:00Z"))
            assert runs.run() == [number]
            assert runs.run() == []


@pytest.mark.parametrize("strict", [False, True], ids=["api >=", "api >"])
def test_f02_late_records_within_the_overlap_are_read(read, strict):
    def keeps(value: str, since: str) -> bool:
        return moment(value) > moment(since) if strict else moment(value) >= moment(since)

    shop = Shop((1, "2026-01-05T10:00:00Z"), (2, "2026-01-05T10:20:00Z"), keeps=keeps)
    with serve(shop) as server:
        runs = Follower(read, server.url, overlap=900.0)
        assert runs.run() == [1, 2]
        shop.put((3, "2026-01-05T10:05:01Z"), (4, "2026-01-05T10:20:00Z"), (5, "2026-01-05T10:04:59Z"))
        assert runs.run() == [3, 4]
        assert runs.run() == []
        shop.put((6, "2026-01-05T10:30:00Z"))
        assert runs.run() == [6]
        assert runs.run() == []
        shop.put((7, "2026-01-05T10:15:01Z"))
        assert runs.run() == [7]
        assert runs.run() == []
    assert runs.last.filtered["duplicate"] == 4


def test_a_changed_record_within_the_overlap_is_handed_on_again(read):
    shop = Shop((1, "2026-01-05T10:00:00Z"), (2, "2026-01-05T10:01:00Z"))
    with serve(shop) as server:
        runs = Follower(read, server.url, overlap=600.0)
        runs.run()
        shop.put((1, "2026-01-05T10:00:00Z"), note="silently changed")
        assert runs.run() == [1]
        assert runs.run() == []


def test_an_api_that_filters_by_the_day_or_not_at_all_doubles_nothing(read):
    for keeps in (lambda value, since: value[:10] >= since[:10], lambda value, since: True):
        shop = Shop((1, "2026-01-05T08:00:00Z"), (2, "2026-01-05T09:00:00Z"), (3, "2026-01-05T10:00:00Z"), keeps=keeps)
        with serve(shop) as server:
            runs = Follower(read, server.url, overlap=60.0)
            assert runs.run() == [1, 2, 3]
            assert runs.run() == []
            assert runs.last.filtered == {"before_cursor": 2, "duplicate": 1}
            runs.cursor["param"] = ""
            shop.put((4, "2026-01-05T10:00:01Z"))
            assert runs.run() == [4]
            assert "since" not in server.requests[-1].params


def test_moments_are_compared_as_moments_whatever_their_notation(read):
    late = "2026-01-05T09:00:00.5Z"
    shop = Shop(
        (1, "2026-01-05T09:59:59+01:00"), (2, late), (3, "2026-01-05T09:00:00.25Z"), (4, "2026-01-05T03:30:00-05:00")
    )
    with serve(shop) as server:
        runs = Follower(read, server.url)
        assert runs.run() == [1, 2, 3, 4]
        assert runs.at["value"] == late
        assert runs.at["id"] == "2"


def test_numbers_are_compared_as_numbers(read):
    shop = Shop((1, 9), (2, 10), (3, 8), keeps=lambda value, since: int(value) > int(since))
    with serve(shop) as server:
        runs = Follower(read, server.url, overlap=2.0)
        assert runs.run() == [1, 2, 3]
        assert runs.at["value"] == "10"
        shop.put((4, 9), (5, 12))
        assert runs.run() == [4, 5]
        assert server.requests[-1].params["since"] == "8"
        assert runs.at["value"] == "12"


def test_texts_are_compared_as_texts_and_take_no_overlap(read):
    shop = Shop((1, "01ARZ"), (2, "01BRZ"), keeps=lambda value, since: value >= since)
    with serve(shop) as server:
        runs = Follower(read, server.url)
        assert runs.run() == [1, 2]
        shop.put((3, "01CRZ"))
        assert runs.run() == [3]
        with pytest.raises(ConfigError) as caught:
            Follower(read, server.url, overlap=5.0).run()
    assert caught.value.code == "http.overlap"


def test_records_without_a_place_in_the_order_are_rejected_alone(read):
    shop = Shop(
        (1, "2026-01-05T10:00:00Z"), (2, None), (3, 17), (4, {"a": 1}), (5, "soon"), (6, "2026-02-30T10:00:00Z")
    )
    shop.rows[7] = {"id": 7}
    shop.put((8, "2026-01-05T10:00:00Z"))
    with serve(shop) as server:
        runs = Follower(read, server.url)
        assert runs.run() == [1, 8]
    rejects = runs.last.rejects
    assert [(reject.code, json.loads(reject.original)["id"]) for reject in rejects] == [
        ("cursor.missing", 2),
        ("cursor.unreadable", 3),
        ("cursor.unreadable", 4),
        ("cursor.unreadable", 5),
        ("cursor.unreadable", 6),
        ("cursor.missing", 7),
    ]
    assert {reject.stage for reject in rejects} == {"read"}
    assert {reject.field for reject in rejects} == {"updated_at"}
    assert rejects[0].position == "page 1 item 2"
    assert sum(batch.read for batch in runs.last.batches) == 8


def test_a_record_that_slides_onto_two_pages_is_read_once(read):
    shop = Shop(*((number, f"2026-01-05T10:00:0{number}Z") for number in range(1, 6)))

    def sliding(request: Request) -> Answer:
        if len(server.requests) == 2:
            shop.rows = {0: {"id": 0, "updated_at": "2026-01-05T10:00:00Z"}, **shop.rows}
        return shop(request)

    with serve(sliding) as server:
        runs = Follower(read, server.url)
        assert runs.run() == [1, 2, 3, 4, 5]
        assert runs.last.filtered == {}


def test_an_empty_answer_keeps_the_position(read):
    shop = Shop((1, "2026-01-05T10:00:00Z"), keeps=lambda value, since: moment(value) > moment(since))
    with serve(shop) as server:
        runs = Follower(read, server.url)
        runs.run()
        before = runs.at
        assert runs.run() == []
        assert runs.at == before
        shop.keeps = lambda value, since: True
        assert runs.run() == []
        assert runs.last.filtered == {"duplicate": 1}


def test_an_api_with_nothing_yet_has_no_position(read):
    with serve(Shop()) as server:
        runs = Follower(read, server.url)
        assert runs.run() == []
        assert runs.at is None


def test_a_position_that_was_spoilt_is_refused(read):
    for spoilt in ({}, {"value": ""}, {"value": "2026-99-99"}):
        if not spoilt:
            continue
        with pytest.raises(FatalError) as caught:
            read("http://127.0.0.1:1", spoilt, cursor=CURSOR)
        assert caught.value.code == "http.cursor"


def test_what_is_remembered_is_bounded(read, monkeypatch):
    monkeypatch.setattr(position, "REMEMBERED", 3)
    shop = Shop(*((number, "2026-01-05T10:00:00Z") for number in range(1, 9)))
    with serve(shop) as server:
        runs = Follower(read, server.url)
        assert runs.run() == list(range(1, 9))
        assert len(runs.at["seen"]) == 3
        assert len(runs.run()) == 5
        assert runs.last.filtered == {"duplicate": 3}


@pytest.mark.parametrize(
    ("text", "overlap", "earlier"),
    [
        ("2026-01-05T10:00:00Z", 900, "2026-01-05T09:45:00Z"),
        ("2026-01-05T10:00:00+05:30", 900, "2026-01-05T09:45:00+05:30"),
        ("2026-01-01T00:00:00.123456789Z", 1, "2025-12-31T23:59:59.123456789Z"),
        ("2026-01-05T10:00:00.5Z", 0.25, "2026-01-05T10:00:00.2Z"),
        ("2026-01-05T10:00:00,50Z", 0.25, "2026-01-05T10:00:00,25Z"),
        ("2026-01-05 10:00:00", 60, "2026-01-05 09:59:00"),
        ("2026-01-05 10:00:00 +0100", 60, "2026-01-05 09:59:00 +0100"),
        ("2026-01-05T10:00Z", 90, "2026-01-05T09:58Z"),
        ("2026-03-01", 86400, "2026-02-28"),
        ("2026-03-01", 900, "2026-02-28"),
        ("2026-01-05T10:00:00Z", 0, "2026-01-05T10:00:00Z"),
        ("100", 15, "85"),
        ("0100", 15, "0085"),
        ("10.50", 0.25, "10.25"),
        ("1767607200000", 900000, "1767606300000"),
    ],
)
def test_an_overlap_is_taken_in_the_sources_own_notation(text, overlap, earlier):
    low = read_text(text).minus(overlap)
    assert low.text == earlier
    assert low.order <= read_text(text).order


@pytest.mark.parametrize(
    "texts",
    [
        ["2026-01-05T10:00:00.5Z", "2026-01-05T10:00:00.75Z", "2026-01-05T10:00:01Z"],
        ["2026-01-05T10:00:00+02:00", "2026-01-05T10:00:00+01:00", "2026-01-05T10:00:00Z", "2026-01-05T10:00:00-0130"],
        ["2025-12-31", "2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:00.000000002Z"],
        ["9", "10", "1e2", "1000"],
        ["-2", "-1", "0.5", "0.75"],
    ],
)
def test_the_order_is_that_of_the_values(texts):
    values = [
        read_value(text.encode() if text[-1].isdigit() and "-" not in text[1:] else json.dumps(text).encode())
        for text in texts
    ]
    assert len({value.kind for value in values}) == 1
    assert [value.text for value in sorted(values, key=lambda value: value.order)] == texts


def test_a_reading_of_a_local_clock_is_taken_in_the_sources_zone():
    there, here = read_text("2026-07-01T10:00:00", "Europe/Paris"), read_text("2026-07-01T08:00:00Z")
    assert there.order == here.order
    assert there.minus(3600, "Europe/Paris").text == "2026-07-01T09:00:00"


@pytest.mark.parametrize("keeps", [None, lambda value, since: moment(value) > moment(since), lambda *_: True])
def test_an_interval_has_its_beginning_and_not_its_end_whatever_the_api_sends(read, keeps):
    shop = Shop(
        (1, "2026-01-05T09:59:59Z"),
        (2, "2026-01-05T10:00:00Z"),
        (3, "2026-01-05T12:00:00.000+01:00"),
        (4, "2026-01-05T12:00:00Z"),
        keeps=keeps,
    )
    with serve(shop) as server:
        found = read(
            server.url,
            cursor={**CURSOR, "overlap": 1},
            paging={"type": "offset"},
            interval=("2026-01-05T10:00:00Z", "2026-01-05T12:00:00Z"),
        )
    assert found.ids == [2, 3]
    assert set(found.filtered) == {"outside_interval"}
    assert (found.end.cursor, found.end.nothing_new) == (None, True)
    assert "since=2026-01-05T09:59:59Z" in server.requests[0].target


@pytest.mark.parametrize(
    ("interval", "code"),
    [
        (("2026-01-06", "2026-01-05"), "backfill.interval"),
        (("2026-01-06", "7"), "backfill.interval"),
        (("", "7"), "backfill.bound"),
    ],
)
def test_an_interval_that_holds_nothing_is_refused_before_the_api_is_asked(read, interval, code):
    with serve(Shop()) as server, pytest.raises(ConfigError) as raised:
        read(server.url, cursor=CURSOR, interval=interval)
    assert raised.value.code == code
    assert server.requests == []
