"""How a failpoint is armed."""

from collections.abc import Iterator

import pytest

from dragoman.core.errors import ConfigError, RetriableError
from dragoman.core.failpoints import arm, failpoint


@pytest.fixture(autouse=True)
def unarmed() -> Iterator[None]:
    yield
    arm("")


def test_it_strikes_at_its_nth_passing_and_nowhere_else() -> None:
    arm("run.opened:2:raise")
    failpoint("run.opened")
    failpoint("extract.sealed")
    with pytest.raises(RetriableError) as caught:
        failpoint("run.opened")
    assert caught.value.code == "failpoint.raised"
    failpoint("run.opened")


def test_the_name_alone_kills_at_the_first_passing(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        killed.append((pid, number))
        raise InterruptedError

    monkeypatch.setattr("os.kill", kill)
    for text in ("run.opened", "run.opened:1", "run.opened:1:kill"):
        arm(text)
        with pytest.raises(InterruptedError):
            failpoint("run.opened")
    assert len(set(killed)) == 1
    assert len(killed) == 3


@pytest.mark.parametrize("text", ["nowhere", "run.opened:x", "run.opened:1:explode", ":1:kill"])
def test_a_wrong_word_is_refused(text: str) -> None:
    arm(text)
    with pytest.raises(ConfigError):
        failpoint("run.opened")


def test_a_trace_notes_each_passing_in_order_and_does_nothing(tmp_path):
    trace = tmp_path / "trace"
    arm(f"trace:{trace}")
    try:
        for name in ("run.opened", "deliver.prepared", "run.opened"):
            failpoint(name)
    finally:
        arm("")
    failpoint("run.opened")
    assert trace.read_text().split() == ["run.opened", "deliver.prepared", "run.opened"]
