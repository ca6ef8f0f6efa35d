"""``dragoman runs`` and ``dragoman rejects``: what they print, and for whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli.main import main
from dragoman.core.batch import Reject
from dragoman.ledger.ledger import RejectRow, Run
from dragoman.steps.workplace import Workplace, open_workplace

BAD_ID = Reject(
    "value.not_integer",
    "'x' is not\nan integer",
    "translate",
    field="id",
    position="orders.csv:3",
    original='{"id": "x"}',
    rid=2,
)
REFUSED = Reject(
    "deliver.refused",
    "too long",
    "deliver",
    field="name",
    original='{"name": "Ada"}',
    mapped='{"name":"Ada"}',
    answer="ERROR: too long",
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRAGOMAN_INTEGRATIONS", str(tmp_path / "integrations"))
    (tmp_path / "integrations").mkdir()
    opened = open_workplace()
    yield opened
    opened.close()


def a_run(place: Workplace, integration: str, rejects: list[Reject], state: str = "done") -> Run:
    """A run with one node and its rejects."""
    with place.ledger.take_lease(integration) as lease:
        run = place.ledger.open_run(integration, lease.token, "d")
        rows = []
        if rejects:
            sealed = place.stage.run(integration, run.run_id).write_rejects("deliver", "deliver", rejects)
            rows = [
                RejectRow(
                    one.code, one.message, one.stage, sealed.path, sealed.sha256, at, one.field, one.position, one.rid
                )
                for at, one in enumerate(rejects)
            ]
        counts = {"read": 9, "delivered": 9 - len(rejects), "rejected": len(rejects), "filtered": 0, "in_doubt": 0}
        place.ledger.prepare_node(run.run_id, lease.token, "deliver", "delivery", counts, rejects=rows)
        if state == "failed":
            place.ledger.fail_run(run.run_id, lease.token, "http.server", "500 from the shop")
            return place.ledger.run(run.run_id)
        return place.ledger.close_run(run.run_id, lease.token, state, counts, move_cursors=True)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_runs_as_json(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "runs") == []
    done, failed, other = (
        a_run(place, "orders", [BAD_ID]),
        a_run(place, "orders", [], "failed"),
        a_run(place, "prices", []),
    )
    assert [run["run_id"] for run in printed(capsys, "runs")] == [other.run_id, failed.run_id, done.run_id]
    second, first = printed(capsys, "runs", "orders")
    assert {
        key: first[key]
        for key in ("integration", "state", "read", "delivered", "rejected", "filtered", "in_doubt", "error")
    } == {
        "integration": "orders",
        "state": "done",
        "read": 9,
        "delivered": 8,
        "rejected": 1,
        "filtered": 0,
        "in_doubt": 0,
        "error": None,
    }
    assert first["closed_at"] >= first["opened_at"]
    assert (second["closed_at"], second["error"]["code"]) == (None, "http.server")
    assert len(printed(capsys, "runs", "--limit", "1")) == 1


def test_runs_for_people(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert "no run yet" in capsys.readouterr().out
    failed = a_run(place, "orders", [], "failed")
    assert main(["runs", "orders"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[:4] == ["RUN", "INTEGRATION", "KIND", "STATE"]
    assert f"{failed.run_id}: 500 from the shop" in out
    assert main(["runs", "--limit", "0"]) == 2


def test_rejects_as_json(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = a_run(place, "orders", [BAD_ID, REFUSED]), a_run(place, "orders", [BAD_ID])
    a_run(place, "prices", [BAD_ID])
    found = printed(capsys, "rejects", "orders")
    assert [one["run_id"] for one in found] == [first.run_id, first.run_id, second.run_id]
    assert found[1] == {
        "id": 2,
        "run_id": first.run_id,
        "state": "open",
        "node": "deliver",
        "code": "deliver.refused",
        "field": "name",
        "message": "too long",
        "stage": "deliver",
        "position": "",
        "original": '{"name": "Ada"}',
        "mapped": '{"name":"Ada"}',
        "answer": "ERROR: too long",
        "corrected": None,
        "replay_run": None,
    }
    assert found[0]["original"] == '{"id": "x"}'
    assert found[0]["mapped"] is None
    assert [one["code"] for one in printed(capsys, "rejects", "orders", "--run", second.run_id)] == [
        "value.not_integer"
    ]
    place.ledger.close_rejects(first.run_id, "replayed")
    assert [one["run_id"] for one in printed(capsys, "rejects", "orders")] == [second.run_id]


def test_rejects_for_people(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    a_run(place, "orders", [BAD_ID, REFUSED])
    assert main(["rejects", "orders"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[2:7] == ["open", "translate", "value.not_integer", "id", "orders.csv:3"]
    assert lines[2].endswith("'x' is not an integer")
    assert lines[3] == '    original: {"id": "x"}'
    assert lines[-1] == "    answer: ERROR: too long"
    a_run(place, "prices", [])
    assert main(["rejects", "prices"]) == 0
    assert capsys.readouterr().out == "no open rejects of prices\n"


def test_reasons_are_shown_where_the_payloads_are_gone(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(place, "orders", [BAD_ID, REFUSED])
    place.stage.run("orders", run.run_id).drop()
    assert main(["rejects", "orders", "--json"]) == 0
    told = capsys.readouterr()
    assert [(one["code"], one["original"]) for one in json.loads(told.out)] == [
        ("value.not_integer", None),
        ("deliver.refused", None),
    ]
    assert told.err.count("stage.missing") == 1


def test_a_run_of_another_integration_or_of_none(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    a_run(place, "orders", [])
    other = a_run(place, "prices", [])
    assert main(["rejects", "orders", "--run", other.run_id]) == 2
    assert "'prices'" in capsys.readouterr().err
    assert main(["rejects", "orders", "--run", "nope"]) == 2
    assert "nope" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["runs", "rejects"])
def test_an_unknown_integration(place: Workplace, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert main([verb, "nosuch"]) == 2
    assert "nosuch" in capsys.readouterr().err
