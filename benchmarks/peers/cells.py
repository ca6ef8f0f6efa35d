"""One cell of the table: whether a tool survived a class of faults, and the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

from peers.process import Ended
from peers.world import Found

__all__ = ["Cell", "Trial"]


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
    struck: bool = True
    """Whether the fault came before the process had ended by itself."""

    @classmethod
    def of(cls, fault: str, found: Found, last: Ended, *, struck: bool = True) -> Trial:
        """From a comparison and the last run."""
        stuck = not last.green
        note = _reason(last) if stuck else ""
        return cls(fault, found.lost, found.doubled, found.wrong, stuck, last.green, note, struck)

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
            return f"**Y** {len(struck)}/{len(struck)}"
        bad = [trial for trial in self.trials if trial.bad]
        said = [f"{len(bad)} of {len(struck)}"]
        for name in ("lost", "doubled", "wrong"):
            rows = sum(getattr(trial, name) for trial in bad)
            said += [f"{rows:,} {name}"] if rows else []
        said += [f"stuck {stuck}"] if (stuck := sum(trial.stuck for trial in bad)) else []
        said += [f"false green {false}"] if (false := sum(trial.false_green for trial in bad)) else []
        return "**N** " + ", ".join(said)


def _reason(last: Ended) -> str:
    """The last line of an error that says something."""
    lines = [line.strip() for line in last.said.splitlines() if line.strip() and not line.startswith((" ", "^", "}"))]
    return lines[-1][:200] if lines else f"exit {last.code}"
