"""The judge finds each kind of fault, believes nobody, and shares no code with the program."""

from __future__ import annotations

import ast
import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import dragoman.testing.checker as checker
from dragoman.testing.checker import Claims, Expected, RejectClaim, RunClaim, judge
from dragoman.testing.checker.expected import same
from dragoman.testing.checker.verdict import KINDS

FOLDER = Path(checker.__file__).parent
EXPECTED = Expected.of([{"id": at, "name": f"n{at}"} for at in range(5)], key=["id"], rejected=[7])
ROWS = [{"id": at, "name": f"n{at}"} for at in range(5)]
NODES = {
    "source": ("source", {"read": 6, "handed_on": 6, "rejected": 0, "filtered": 0}),
    "deliver": ("delivery", {"in": 5, "delivered": 5, "rejected": 0, "in_doubt": 0}),
}
FIGURES = {"read": 6, "delivered": 5, "rejected": 1, "filtered": 0, "in_doubt": 0}
RUN = RunClaim("r1", "done", "live", True, FIGURES, NODES)
REJECT = RejectClaim("r1", "map", "cast.integer", "translate", "open", {"id": "7"})
CLAIMS = Claims((RUN,), (REJECT,))


def kinds(**changed):
    words = {"expected": EXPECTED, "found": ROWS, "claims": CLAIMS} | changed
    return {
        fault.kind for fault in judge(words.pop("expected"), words.pop("found"), words.pop("claims"), **words).faults
    }


def claims(*rejects: RejectClaim, **figures: int) -> Claims:
    return Claims((replace(RUN, figures=FIGURES | figures),), rejects or (REJECT,))


def test_what_is_as_it_should_be_has_no_fault():
    assert kinds() == set()


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"found": ROWS[1:], "claims": claims(delivered=4, filtered=1)}, {"lost", "false_green"}),
        ({"found": ROWS[1:]}, {"lost", "lie", "false_green"}),
        ({"found": [*ROWS, ROWS[0]], "claims": claims(read=7, delivered=6)}, {"doubled", "false_green"}),
        ({"found": [*ROWS[1:], {"id": 0, "name": "other"}]}, {"wrong", "false_green"}),
        ({"found": [*ROWS, {"id": 9, "name": "x"}], "counted": False}, {"unexplained"}),
        ({"claims": Claims((RUN,), ())}, {"unaccounted"}),
        ({"claims": claims(filtered=1)}, {"unaccounted"}),
        (
            {"claims": Claims((replace(RUN, nodes={"source": ("source", {"read": 6, "handed_on": 5})}),), (REJECT,))},
            {"unaccounted"},
        ),
        ({"claims": replace(CLAIMS, sending=("r1/deliver/0/0",))}, {"unaccounted"}),
        ({"found": [*ROWS, {"id": 7, "name": "x"}], "counted": False}, {"unexplained", "lie", "false_green"}),
        ({"exit_code": 1}, {"stuck"}),
        ({"claims": Claims((replace(RUN, closed=False, state="failed"),), (REJECT,)), "counted": False}, {"stuck"}),
        ({"claims": claims(in_doubt=1, rejected=0)}, {"false_green"}),
    ],
    ids=lambda value: "" if isinstance(value, dict) else "+".join(sorted(value)),
)
def test_each_kind_of_fault_is_found(changed, wanted):
    assert kinds(**changed) == wanted
    assert wanted <= set(KINDS)


def test_a_doubt_is_right_only_where_something_was_ambiguous():
    doubt = RejectClaim("r1", "deliver", "http.unknown", "deliver", "in_doubt", None, {"id": 0})
    said = replace(claims(REJECT, doubt, delivered=4, in_doubt=1))
    said = replace(said, runs=(replace(said.runs[0], state="in_doubt"),))
    ambiguous = replace(EXPECTED, maybe=frozenset({("0",)}))
    words = {"claims": said, "exit_code": 1, "red_is_right": True}
    assert kinds(**words) == {"needless_doubt"}
    assert kinds(**words, expected=ambiguous) == set()
    assert kinds(**words, expected=ambiguous, found=ROWS[1:]) == set()
    assert kinds(**words, expected=ambiguous, found=ROWS[2:]) == {"lost", "lie"}


@pytest.mark.parametrize(
    ("wanted", "found", "agree"),
    [
        (1, "1", True),
        (Decimal("1.10"), "1.1", True),
        (Decimal("0.1"), 0.1, True),
        (2**53 + 1, float(2**53 + 1), False),
        ("1.0", "1", False),
        ("007", 7, False),
        (None, "", False),
        ("", None, False),
        (True, 1, True),
        (False, "false", True),
        (b"a", "a", False),
        (datetime(2024, 1, 1, 12, tzinfo=UTC), "2024-01-01T14:00:00+02:00", True),
        (datetime(2024, 1, 1, 12, tzinfo=UTC), "2024-01-01 12:00:00.000001", False),
        (1, "one", False),
    ],
)
def test_values_are_compared_by_the_type_that_was_wanted(wanted, found, agree):
    assert same(wanted, found) is agree


def test_places_that_are_not_there_hold_nothing(tmp_path, postgres):
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("create table t (id integer)")
    assert checker.sqlite_rows(tmp_path / "none.db", "t") == []
    assert checker.sqlite_rows(tmp_path / "other.db", "u") == []
    assert checker.duckdb_rows(tmp_path / "none.duckdb", "t") == []
    assert checker.postgres_rows(postgres, "public.t") == []
    assert checker.file_rows(tmp_path, "*.csv") == []
    assert checker.record_rows(tmp_path / "none") == []
    assert checker.read_claims(tmp_path / "none.db", "orders") == Claims()
    assert checker.read_claims(tmp_path / "other.db", "orders") == Claims()


def test_files_and_records_are_read_as_they_are(tmp_path):
    (tmp_path / "a.csv").write_text('id,note\n1,"x\ny"\n')
    (tmp_path / "b.ndjson").write_text('{"id": 2, "amount": 1.10}\n')
    (tmp_path / "c.json").write_text('[{"id": 3}]')
    assert checker.file_rows(tmp_path, "*.*") == [{"id": "1", "note": "x\ny"}, {"id": 2, "amount": "1.10"}, {"id": 3}]
    lines = [
        {"do": "create", "id": 1, "path": "/orders", "body": {"id": 1, "name": "a"}},
        {"do": "create", "id": 2, "path": "/orders", "body": {"id": 1, "name": "a"}},
        {"do": "put", "id": 2, "path": "/orders", "body": {"id": 1, "name": "b"}},
        {"do": "create", "id": 3, "path": "/other", "body": {}},
        {"do": "delete", "id": 1, "path": "/orders"},
    ]
    (tmp_path / "record").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert checker.record_rows(tmp_path / "record", "orders") == [{"id": 1, "name": "b"}]


def test_two_expected_rows_of_one_key_are_refused():
    with pytest.raises(ValueError, match="two expected rows"):
        Expected.of([{"id": 1}, {"id": "1"}], key=["id"])


def test_the_checker_imports_nothing_of_the_program_but_itself():
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            assert not getattr(node, "level", 0), path
            ours = [name for name in names if name.partition(".")[0] == "dragoman"]
            assert all(name.startswith("dragoman.testing.checker") for name in ours), (path.name, ours)
    assert not (FOLDER.parent.parent / "__init__.py").read_text().count("import")
    assert not (FOLDER.parent / "__init__.py").read_text().count("\nfrom dragoman.core")
