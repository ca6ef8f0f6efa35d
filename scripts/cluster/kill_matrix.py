"""``make kill-matrix``: kill each part of the cluster in mid-run, start it again, and count what came of it.

In each round four integrations run. Two of them stand in the middle of their delivery (their tables are locked, the
transactions are open), the other two are wherever they got to. Then one part is killed with SIGKILL, the tables are
unlocked while it is down, and it is started again. Every record must be in its table once, whatever happened.

    python -m scripts.cluster.kill_matrix [--down SECONDS] [--rounds N] [PART ...]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx

from scripts.cluster.site import Site, running_site
from scripts.cluster.story import Story, newest_run

NAMES = ("north", "east", "south", "west")
LOCKED = NAMES[:2]
ROWS = 20_000
SETTINGS = {"SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45"}
"""Longer than an API server is away: while it is, no task can tell the scheduler that it lives."""
NOBODY = "nobody"
EVERYTHING = "everything"
VICTIMS = (NOBODY, "worker", "scheduler", "api-server", "triggerer", "redis", "postgres", EVERYTHING)
UNLOCKED_AFTER = 2.0
ENDS_WITHIN = 420.0
LEASE = 60.0
"""Seconds for which a dead holder of another machine may stand in the way (``dragoman.ledger.lease``)."""
HEADER = """\
| killed | runs | green | red first | lost | doubled | green, record missing | refused by a lease | ended after |
|---|---|---|---|---|---|---|---|---|"""


@dataclass
class Round:
    """What came of one kill. ``refused_until`` and ``seconds`` count from the kill."""

    victim: str
    green: int = 0
    red: int = 0
    lost: int = 0
    doubled: int = 0
    hollow: int = 0
    refused_until: float = 0.0
    seconds: float = 0.0
    unbalanced: list[str] = field(default_factory=list)
    restarted: dict[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        wrong = self.lost or self.doubled or self.hollow or self.unbalanced
        return not wrong and self.refused_until <= LEASE

    def row(self) -> str:
        """Its line of the table."""
        refused = f"until {self.refused_until:.0f} s" if self.refused_until else "no"
        cells = [self.victim, len(NAMES), self.green, self.red, self.lost, self.doubled, self.hollow, refused]
        return "| " + " | ".join(str(cell) for cell in cells) + f" | {self.seconds:.0f} s |"


def main(words: list[str]) -> int:
    """Exit code 0 if in no round anything was wrong."""
    parser = argparse.ArgumentParser(prog="kill_matrix")
    parser.add_argument("--down", type=float, default=8.0, help="seconds for which the killed part stays down")
    parser.add_argument("--rounds", type=int, default=1, help="how often the whole list is gone through")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(VICTIMS)}")
    args = parser.parse_args(words)
    victims = tuple(args.parts) or VICTIMS
    if unknown := set(victims) - set(VICTIMS):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="dragoman-matrix-") as scratch:
        story = Story(Path(scratch) / "story", NAMES)
        story.lay_out()
        with running_site(story.integrations, story.connections, SETTINGS) as site:
            story.connect(site)
            rounds = [_report(_round(site, story, victim, args.down)) for _ in range(args.rounds) for victim in victims]
    _say("\n" + HEADER)
    for one in rounds:
        _say(one.row())
    return 0 if all(one.good for one in rounds) else 1


def _round(site: Site, story: Story, victim: str, down: float) -> Round:
    story.new_files(NAMES, ROWS)
    site.wait_until_healthy()
    site.restarted.clear()
    with story.locked(site, LOCKED):
        runs = {name: site.api.trigger(name) for name in NAMES}
        site.until(lambda: all(story.waits(site, name) for name in LOCKED), 120, "two deliveries in their middle")
        parts = _parts(site, victim, runs)
        killed = time.time()
        for part in parts:
            site.kill(part)
        time.sleep(UNLOCKED_AFTER)
    time.sleep(max(0.0, down - UNLOCKED_AFTER) if parts else 0.0)
    for part in sorted(parts, key=lambda name: name not in {"postgres", "redis"}):
        site.parts[part].start()
    result = Round(victim)
    _wait(site, story, runs, result)
    result.seconds = time.time() - killed
    again = _run_again(site, [name for name in NAMES if name in result.unbalanced])
    result.unbalanced = [name for name in again if again[name] != "success"]
    for name in NAMES:
        report = newest_run(site, name)
        if report["state"] not in {"done", "nothing_new"} or not report["balanced"]:
            result.unbalanced.append(name)
    result.lost, result.doubled = story.lost_and_doubled(site, NAMES)
    result.refused_until = _last_refusal(site, killed)
    result.restarted = dict(site.restarted)
    return result


def _parts(site: Site, victim: str, runs: Mapping[str, str]) -> list[str]:
    if victim == NOBODY:
        return []
    if victim == EVERYTHING:
        return list(site.parts)
    if victim == "worker":
        return [site.worker_of(site.api.tasks(LOCKED[0], runs[LOCKED[0]])["deliver"])]
    return [victim]


def _wait(site: Site, story: Story, runs: Mapping[str, str], result: Round) -> None:
    """Until all have ended; the table of a run that turns green is counted at that moment."""
    left = dict(runs)

    def ended() -> bool:
        for name, run in list(left.items()):
            try:
                state = site.api.state(name, run)
            except httpx.HTTPError:
                return False
            if state == "success":
                result.green += 1
                result.hollow += story.lost_and_doubled(site, [name]) != (0, 0)
            elif state == "failed":
                result.red += 1
                result.unbalanced.append(name)
            else:
                continue
            del left[name]
        return not left

    site.until(ended, ENDS_WITHIN, "the end of all runs")


def _run_again(site: Site, names: list[str]) -> dict[str, str]:
    """What a person would do about a red run."""
    site.wait_until_healthy()
    runs = {name: site.api.trigger(name) for name in names}
    return {name: site.api.wait_for(name, run, ENDS_WITHIN) for name, run in runs.items()}


def _last_refusal(site: Site, killed: float) -> float:
    """Seconds from the kill to the last time that a task found the lease of another in its way; 0 if none did."""
    latest = 0.0
    for log in (site.folder / "logs" / "tasks").rglob("attempt=*.log"):
        if log.stat().st_mtime < killed:
            continue
        for line in log.read_text(errors="replace").splitlines():
            if "lease.held" in line:
                moment = datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
                latest = max(latest, moment - killed)
    return latest


def _report(one: Round) -> Round:
    more = f"   ended by themselves and started again: {one.restarted}" if one.restarted else ""
    wrong = f"   NOT BALANCED: {', '.join(one.unbalanced)}" if one.unbalanced else ""
    _say(one.row() + more + wrong)
    return one


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
