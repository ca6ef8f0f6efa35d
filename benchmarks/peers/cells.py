"""One cell of the table: whether a tool survived a class of faults, and the numbers behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from peers.process import Ended
from peers.world import Found

__all__ = ["Cell", "Trial", "reason_of"]

_ERROR = re.compile(r"violates |\bduplicate key|^[\w.]*(Error|Exception|Failed|Retry)\b|^<class ", re.MULTILINE)


@dataclass(frozen=True)
class Trial:
    """One fault and what came of it. ``stuck``: no rerun ends green; ``left``: what was wrong when all was over."""

    fault: str
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    stuck: bool = False
    green: bool = True
    """Whether the tool's last word was success."""
    note: str = ""
    named: int = 0
    """Records that the tool itself lists as rejected or in doubt."""
    struck: bool = True
    """Whether the fault came before the process had ended by itself."""

    @classmethod
    def of(cls, fault: str, found: Found, last: Ended, *, struck: bool = True) -> Trial:
        """From a comparison and the last run."""
        stuck = not last.green
        note = reason_of(last) if stuck else ""
        numbers = {"lost": found.lost, "doubled": found.doubled, "wrong": found.wrong}
        return cls(fault, **numbers, stuck=stuck, green=last.green, note=note, struck=struck)

    @property
    def bad(self) -> bool:
        """Lost, doubled, changed, or waiting for a person."""
        return bool(self.lost or self.doubled or self.wrong or self.stuck)

    @property
    def false_green(self) -> bool:
        """It said success, and that was not so."""
        return self.green and bool(self.lost or self.doubled or self.wrong)


@dataclass
class Cell:
    """All trials of one tool in one class of faults. ``only``: a word for what was not run, and why."""

    trials: list[Trial] = field(default_factory=list)
    only: str = ""

    @property
    def survived(self) -> bool:
        """Nothing lost, doubled or changed, nobody was needed, and no success was false."""
        return not any(trial.bad for trial in self.trials)

    def __str__(self) -> str:
        """As it stands in the table."""
        struck = [trial for trial in self.trials if trial.struck]
        if not struck:
            return f"– ({self.only})" if self.only else "–"
        if self.survived:
            named = sum(trial.named for trial in struck)
            return f"**Y** {len(struck)}/{len(struck)}" + (f", {named:,} named" if named else "")
        bad = [trial for trial in self.trials if trial.bad]
        said = [f"{len(bad)} of {len(struck)}"]
        for name in ("lost", "doubled", "wrong"):
            rows = sum(getattr(trial, name) for trial in bad)
            said += [f"{rows:,} {name}"] if rows else []
        named = sum(trial.named for trial in bad)
        said += [f"{named:,} named"] if named else []
        said += [f"stuck {stuck}"] if (stuck := sum(trial.stuck for trial in bad)) else []
        said += [f"false green {false}"] if (false := sum(trial.false_green for trial in bad)) else []
        return "**N** " + ", ".join(said)


def reason_of(last: Ended) -> str:
    """The line of a red run's log that says why."""
    if '"in_doubt"' in last.said.partition('"state"')[2][:20]:
        return "red: in doubt, a person decides"
    lines = [line.strip() for line in last.said.splitlines() if line.strip()]
    telling = [line for line in lines if _ERROR.search(line)]
    best = next((line for line in telling if "violates" in line or "duplicate key" in line), "")
    return (best or (telling or lines or [f"exit {last.code}"])[-1])[:200]
