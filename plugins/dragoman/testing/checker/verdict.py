"""The judgement: what is expected against what is there against what the ledger says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dragoman.testing.checker.claims import Claims, RunClaim
from dragoman.testing.checker.expected import Expected, Key, key_of, same

__all__ = ["KINDS", "Fault", "Verdict", "judge"]

KINDS = {
    "lost": "expected, not there, and nobody says why",
    "doubled": "there more than once",
    "wrong": "there with another value",
    "unexplained": "there and not expected",
    "unaccounted": "a run whose figures do not balance, or that hides a record",
    "lie": "the ledger says delivered and it is not there, or rejected and it is there",
    "false_green": "the program ended green although one of these holds",
    "stuck": "still not ended after all tries: a person is needed",
    "needless_doubt": "said to be in doubt although nothing was ambiguous",
}
_GREEN = frozenset({"done", "nothing_new"})
_NOT_DELIVERED = frozenset({"open", "abandoned", "dismissed"})


@dataclass(frozen=True)
class Fault:
    """One finding; ``kind`` is one of ``KINDS``."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass(frozen=True)
class Verdict:
    """All findings; none is what one hopes for."""

    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults) or "no fault"

    def count(self, kind: str) -> int:
        """How many of one kind."""
        return sum(fault.kind == kind for fault in self.faults)


def judge(
    expected: Expected,
    found: Sequence[Mapping[str, Any]],
    claims: Claims,
    *,
    exit_code: int = 0,
    copies: int = 1,
    red_is_right: bool = False,
    counted: bool = True,
) -> Verdict:
    """Judge one integration at rest, after all its tries.

    Args:
        expected: what has to be there.
        found: what is there.
        claims: what the ledger says.
        exit_code: how the last command ended.
        copies: how often a row may stand there where it is only promised at least once; 1 for once.
        red_is_right: the last command may well be red (a run in doubt, a run held by its limit).
        counted: whether the ledger's delivered outputs are the rows that are there, one for one (an append).
    """
    faults = [
        *_against_rows(expected, found, claims, copies),
        *_against_claims(expected, found, claims, counted=counted),
        *(fault for run in claims.runs for fault in _balance(run)),
    ]
    if exit_code == 0 and any(fault.kind in {"lost", "doubled", "wrong", "lie"} for fault in faults):
        faults.append(Fault("false_green", "the last command ended with 0"))
    faults += _stuck(claims, exit_code, red_is_right=red_is_right)
    return Verdict(tuple(faults))


def _against_rows(
    expected: Expected, found: Sequence[Mapping[str, Any]], claims: Claims, copies: int
) -> Iterator[Fault]:
    doubted = _said(expected, claims, {"in_doubt"})
    rejected = _said(expected, claims, _NOT_DELIVERED)
    there = Counter(key_of(row, expected.key) for row in found)
    for key in expected.rows:
        if not there[key] and key not in doubted and not (key in rejected and key in expected.maybe):
            named = f", rejected as {rejected[key]}" if key in rejected else ""
            yield Fault("lost", f"{_name(expected, key)}{named}")
    for row in found:
        key = key_of(row, expected.key)
        wanted = expected.rows.get(key)
        if wanted is None:
            if key not in expected.maybe:
                yield Fault("unexplained", f"{_name(expected, key)} is there and should not be")
            continue
        for column, value in wanted.items():
            if not same(value, row.get(column)):
                yield Fault("wrong", f"{_name(expected, key)}: {column} is {row.get(column)!r}, expected {value!r}")
    for key, number in there.items():
        if number > copies:
            yield Fault("doubled", f"{_name(expected, key)} is there {number} times")
    for key in expected.rejected - set(rejected) - set(doubted) - set(there):
        yield Fault("unaccounted", f"{_name(expected, key)} is neither there nor among the rejects")
    for key in set(doubted) - expected.maybe:
        yield Fault("needless_doubt", f"{_name(expected, key)} as {doubted[key]}")


def _against_claims(
    expected: Expected, found: Sequence[Mapping[str, Any]], claims: Claims, *, counted: bool
) -> Iterator[Fault]:
    there = {key_of(row, expected.key) for row in found}
    for key, code in _said(expected, claims, _NOT_DELIVERED).items():
        if key in there and key not in expected.rows and key not in expected.maybe:
            yield Fault("lie", f"{_name(expected, key)} is said to be rejected ({code}) and is there")
    said = sum(run.figures.get("delivered", 0) for run in claims.runs if run.closed)
    doubts = sum(run.figures.get("in_doubt", 0) for run in claims.runs if run.closed)
    if counted and said > len(found):
        yield Fault("lie", f"the ledger says that {said} were delivered, and {len(found)} are there")
    if counted and len(found) > said + doubts and all(run.closed for run in claims.runs):
        yield Fault("lie", f"{len(found)} are there, and the ledger says that {said} were delivered")
    for request in claims.sending:
        yield Fault("unaccounted", f"the request {request} was begun and never settled")


def _balance(run: RunClaim) -> Iterator[Fault]:
    if not run.closed or run.state == "failed":
        return
    figures = run.figures
    accounted = sum(figures.get(name, 0) for name in ("delivered", "rejected", "filtered", "in_doubt"))
    simple = sum(kind == "delivery" for kind, _counts in run.nodes.values()) == 1 and all(
        counts.get("outputs", counts.get("passed", 0)) == counts.get("passed", 0)
        for kind, counts in run.nodes.values()
        if kind == "translation"
    )
    if simple and figures.get("read", 0) != accounted:
        yield Fault("unaccounted", f"run {run.run_id}: of {figures.get('read')} read {accounted} are accounted for")
    for node, (kind, counts) in run.nodes.items():
        wrong = {
            "source": counts.get("read", 0) != sum(counts.get(one, 0) for one in ("handed_on", "rejected", "filtered")),
            "translation": counts.get("in", 0) != sum(counts.get(one, 0) for one in ("passed", "rejected", "filtered")),
            "delivery": counts.get("in", 0) != sum(counts.get(one, 0) for one in ("delivered", "rejected", "in_doubt")),
        }
        if wrong.get(kind):
            yield Fault("unaccounted", f"run {run.run_id}, {node}: {dict(counts)}")
    if run.state in _GREEN and figures.get("in_doubt", 0):
        yield Fault("false_green", f"run {run.run_id} is {run.state} with {figures['in_doubt']} in doubt")


def _stuck(claims: Claims, exit_code: int, *, red_is_right: bool) -> Iterator[Fault]:
    if red_is_right:
        return
    if exit_code != 0:
        yield Fault("stuck", f"the last command ended with {exit_code}")
    for run in claims.runs:
        if not run.closed:
            yield Fault("stuck", f"run {run.run_id} is {run.state}: {run.error_code}")


def _said(expected: Expected, claims: Claims, states: Collection[str]) -> dict[Key, str]:
    """Of which records the ledger says this, by key, with its code; where the payload names the key."""
    found: dict[Key, str] = {}
    for reject in claims.rejects:
        if reject.state in states:
            if reject.mapped is not None:
                found[key_of(reject.mapped, expected.key)] = reject.code
            elif reject.original is not None:
                found[key_of(reject.original, expected.source_key)] = reject.code
    return found


def _name(expected: Expected, key: Key) -> str:
    return ", ".join(f"{column}={value}" for column, value in zip(expected.key, key, strict=True))
