"""The note of deliveries into files: what it keeps of earlier runs, and how it stays small."""

import json

import msgspec
import pytest

from dragoman.steps.files import file_note
from dragoman.steps.files.file_note import Note, following


def after(note, number, cursor=None, marks=None, **more):
    left = {"source": {"cursor": cursor, "marks": marks or {}}, **more} if cursor or marks or more else {}
    return following(note, f"run{number:04d}", number, (), json.dumps(left))


def replayed(note, since=0):
    """Where a ledger ends that takes the positions over, oldest first."""
    cursor, marks = None, {}
    for one in note.runs:
        if one.token >= since and one.positions is not None:
            for left in one.positions.values():
                cursor = left.get("cursor") or cursor
                marks |= left.get("marks") or {}
    return cursor, marks


def test_only_the_newest_cursor_is_kept():
    note = None
    for number in range(5):
        note = after(note, number, cursor={"value": number, "seen": "x" * 100_000})
    assert len(msgspec.json.encode(note)) < 110_000
    assert replayed(note) == ({"value": 4, "seen": "x" * 100_000}, {})
    assert [one.run for one in note.runs] == [f"run{number:04d}" for number in range(5)]


def test_a_backfill_moves_nothing_and_takes_nothing_away():
    note = after(after(None, 1, cursor={"value": 1}), 2)
    assert note.positions is None
    assert replayed(note) == ({"value": 1}, {})


@pytest.mark.parametrize("since", [0, 150, 299])
def test_many_runs_become_one_and_no_mark_is_lost(since):
    note = None
    for number in range(300):
        note = after(note, number, marks={f"{number}.csv": "m"})
    assert len(note.before) == file_note.RUNS
    assert replayed(note)[1] == {f"{number}.csv": "m" for number in range(300)}
    assert {f"{number}.csv" for number in range(since, 300)} <= set(replayed(note, since)[1])


def test_the_oldest_marks_go_first(monkeypatch):
    monkeypatch.setattr(file_note, "MARKS", 10)
    note = None
    for number in range(8):
        note = after(note, number, marks={f"{number}{letter}": "m" for letter in "abc"})
    kept = set(replayed(note)[1])
    assert {f"{number}{letter}" for number in (5, 6, 7) for letter in "abc"} <= kept
    assert len(kept) == 13
    assert "0a" not in kept


def test_what_was_pending_is_told_of_the_last_run_alone():
    note = after(None, 1, cursor={"value": 1}, **{">pending": {"deliveries": ["b"]}})
    assert ">pending" in note.positions
    note = after(note, 2, cursor={"value": 2})
    assert all(">pending" not in (one.positions or {}) for one in note.runs)


def test_an_older_note_is_read():
    note = msgspec.json.decode(
        b'{"run": "r", "token": 3, "files": [{"path": "a", "sha256": "b", "size": 1}]}', type=Note
    )
    assert [(one.run, one.token, one.positions) for one in note.runs] == [("r", 3, None)]
