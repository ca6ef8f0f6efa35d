"""What a status means for what was sent: applied, refused, come again, nobody knows, or nothing can be sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dragoman.connectors._http.masking import Mask
from dragoman.connectors._http.sending import NoReply, Reply
from dragoman.connectors._http.verdicts import Terms, judge
from dragoman.core import clock
from dragoman.core.errors import DOWN, THROTTLED, FatalError, RetriableError
from http_answers import PLACE, answer, items, letters

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [400, 409, 412, 413, 414, 416, 418, 422, 423, 424, 451, 499])
def test_a_refusal_is_of_the_item_or_of_the_request_as_one(status):
    assert letters(answer({"message": "no"}, status=status)) == "R"
    done = answer({"message": "no"}, status=status, count=3)
    assert letters(done) == "RRR*"
    assert f"https://api.example.com/orders answered {status}" in done.outcomes[0].message


@pytest.mark.parametrize(
    ("status", "code"), [(400, "item_refused"), (409, "conflict"), (413, "item_too_large"), (422, "item_refused")]
)
def test_refusals_have_codes(status, code):
    assert answer(status=status).outcomes[0].code == f"http.{code}"


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "denied"), (403, "denied"), (404, "not_found"), (410, "not_found")]
    + [(status, "refused") for status in (402, 405, 406, 407, 411, 415, 417, 421, 426, 428, 431, 501)]
    + [(status, "redirect") for status in (300, 301, 302, 303, 304, 305, 307, 308)],
)
def test_what_is_about_the_request_itself_stops_the_run(status, code):
    for count in (1, 3):
        with pytest.raises(FatalError) as caught:
            answer("no", status=status, count=count, headers={"location": "https://elsewhere.example/?token=abc"})
        assert caught.value.code == f"http.{code}"
        assert "abc" not in str(caught.value)


@pytest.mark.parametrize("status", [404, 410])
def test_an_item_of_its_own_path_is_refused_alone(status):
    done = answer("no", status=status, own_path=True)
    assert (letters(done), done.outcomes[0].code) == ("R", "http.no_such_item")
    assert letters(answer("no", status=status, own_path=True, erasing=True)) == "D"


def test_several_matches_of_an_external_id_are_a_refusal():
    done = answer(["/a/1", "/a/2"], status=300, external=True)
    assert (letters(done), done.outcomes[0].code) == ("R", "http.several_matches")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 505, 507, 520, 524, 599])
def test_a_fault_of_the_server_leaves_the_outcome_unknown(status):
    done = answer("<html>oops</html>", status=status, count=2, headers={"retry-after": "7"})
    assert (letters(done), done.wait, done.outage, done.outcomes[0].code) == ("UU*", 7.0, DOWN, "http.server_error")


@pytest.mark.parametrize("status", [500, 503])
def test_a_fault_of_the_server_is_not_read_for_success(status):
    assert letters(answer({"success": True, "id": 5}, status=status)) == "U"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        (str(int(NOW.timestamp()) + 30), 30.0),
        ("999999", 3600.0),
        ("soon", None),
        ("", None),
    ],
)
@pytest.mark.parametrize(("status", "code"), [(429, "throttled"), (408, "unavailable"), (425, "unavailable")])
def test_what_was_surely_not_taken_may_come_again_when_the_server_says(monkeypatch, status, code, header, seconds):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    with pytest.raises(RetriableError) as caught:
        answer("", status=status, headers={"retry-after": header})
    assert (caught.value.code, caught.value.retry_after) == (f"http.{code}", seconds)


def test_a_request_with_this_key_that_is_still_at_work_is_waited_for():
    done = answer({"error": "in progress"}, status=409, count=2, keyed=True, headers={"retry-after": "3"})
    assert (letters(done), done.wait, done.outcomes[0].code) == ("AA*", 3.0, "http.in_flight")
    assert answer("", status=409, keyed=True).wait == 1.0


@pytest.mark.parametrize("status", [409, 423])
def test_a_conflict_that_asks_to_come_again_is_none_of_the_data(status):
    done = answer({"error": "under way"}, status=status, count=2, headers={"retry-after": "2"})
    assert (letters(done), done.wait, done.outcomes[0].code) == ("AA*", 2.0, "http.in_flight")
    assert letters(answer({"error": "exists"}, status=status)) == "R"


@pytest.mark.parametrize("headers", [{"retry-after": "9"}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}])
def test_a_denial_that_is_about_the_pace_may_pass(headers):
    with pytest.raises(RetriableError) as caught:
        answer("slow down", status=403, headers=headers)
    assert (caught.value.code, caught.value.retry_after, caught.value.outage) == ("http.throttled", 9.0, THROTTLED)
    with pytest.raises(FatalError):
        answer("no", status=403, headers={"x-ratelimit-remaining": "5", "x-ratelimit-reset": "9"})


def test_a_success_may_ask_to_go_slower():
    done = answer({"id": 5}, headers={"retry-after": "4", "x-ratelimit-reset": "60"})
    assert (letters(done), done.wait) == ("D", 4.0)
    assert answer({"id": 5}, headers={"x-ratelimit-reset": "60"}).wait is None


def test_a_refusal_that_names_its_items_spares_the_others():
    failed = {"failed": "errors"}
    done = answer({"errors": [{"index": 1, "message": "no"}]}, status=422, count=3, result=failed)
    assert letters(done) == "ARA"
    assert done.outcomes[0].code == "http.rolled_back"
    assert letters(answer({"errors": [{"index": 9}]}, status=422, count=3, result=failed)) == "RRR*"
    assert letters(answer({"errors": ["no"]}, status=400, count=3, result=failed)) == "RRR*"
    assert letters(answer("<html>", status=400, count=3, result=failed)) == "RRR*"


def test_results_within_a_refusal_count_as_they_are():
    listed = [{"status": 201}, {"status": 400, "error": "no"}, {}]
    assert letters(answer({"r": listed}, status=400, count=3, result={"items": "r"})) == "DRU"
    assert letters(answer({"r": listed}, status=400, count=3, result={"items": "r", "atomic": True})) == "ARA"


@pytest.mark.parametrize("broken", ["cut off", "too large"])
@pytest.mark.parametrize(("status", "expected"), [(200, "UU*"), (201, "UU*"), (400, "RR*"), (422, "RR*"), (500, "UU*")])
def test_an_answer_that_is_not_whole(broken, status, expected):
    done = judge(Reply(PLACE, status, {}, broken=broken), items(2), Terms(), Mask())
    assert letters(done) == expected


def test_no_answer_is_unknown_for_all():
    done = judge(NoReply("hung up"), items(3), Terms(), Mask())
    assert (letters(done), done.outage) == ("UUU*", DOWN)


def test_secrets_in_a_refusal_are_masked():
    done = answer({"message": "bad key s3cret-token"}, status=422).outcomes[0]
    assert "s3cret" not in done.message + done.answer
    with pytest.raises(FatalError) as caught:
        answer("token s3cret-token", status=401)
    assert "s3cret" not in str(caught.value)
