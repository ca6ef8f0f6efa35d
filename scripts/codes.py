"""``docs/codes.md``: every error code of the package, what the runner does with it, and what it says.

Codes are found in the source itself: a string like ``area.what`` that an error, a problem or a reject is made with.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dragoman.core.failpoints import FAILPOINTS

TOP = Path(__file__).resolve().parent.parent
PACKAGE = TOP / "plugins" / "dragoman"
CODE = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9_…]+")
NOT_CODES = re.compile(r".*\.(py|yaml|json|sql|md|csv|libs|exc|exceptions|new|tmp|lock)")
KINDS = {
    "ConfigError": "wrong input",
    "Problem": "wrong input",
    "RetriableError": "retried",
    "FatalError": "red",
    "BehindError": "retried",
    "RecordError": "record rejected",
    "Reject": "record rejected",
    "Refused": "record rejected",
    "Fault": "proof broken",
}
STATES = {"AGAIN": "sent again", "UNKNOWN": "in doubt", "REFUSED": "record rejected", "DELIVERED": "delivered"}
"""What becomes of an item, by the first word of its ``Outcome``."""
HEAD = """# Error codes

Written by `make docs` from the source; not to be edited. Every error ends in one of these codes and in a next step.

| what happens | meaning |
|---|---|
| wrong input | what was written is wrong: fails before anything runs, never retried, exit code 2 |
| retried | it may pass: Airflow tries again, nothing is lost |
| red | trying again cannot help: the run is red until a person acts |
| record rejected | one record is set aside with its reason; the rest goes on, within the reject limit |
| proof broken | `dragoman verify` has found that receipts are not what they were, exit code 1 |
| sent again | the item was surely not applied: it is sent again after a wait |
| in doubt | nobody can tell whether the item arrived: it is settled as the destination promises, or by a person |
| delivered | the item arrived; the code tells what a person should know of it |
"""


@dataclass
class Entry:
    """One code: what happens, the sentences that go with it, and the modules it stands in."""

    kinds: set[str] = field(default_factory=set)
    sentences: list[str] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)


def text_of(node: ast.expr | None) -> str:
    """A string as a person reads it, with … for what is filled in; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "…" for part in node.values)
    return ""


def is_code(text: str) -> bool:
    """Whether a string is a code, and neither a failpoint nor the name of a file or module."""
    return bool(CODE.fullmatch(text)) and text not in FAILPOINTS and not NOT_CODES.fullmatch(text)


def calls(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """``(code, callee, sentence)`` of each call or tuple that holds a code; the sentence is the string after it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            values = [*node.args, *(word.value for word in node.keywords if word.arg != "next_step")]
            if name == "Outcome" and node.args and isinstance(node.args[0], ast.Name):
                name = node.args[0].id
        elif isinstance(node, ast.Tuple):
            name, values = "", node.elts
        else:
            continue
        for at, value in enumerate(values):
            code = text_of(value)
            if is_code(code) and (isinstance(value, ast.Constant) or name in KINDS):
                yield code, name, next((text for text in map(text_of, values[at + 1 :]) if " " in text), "")


def collect() -> dict[str, Entry]:
    """All codes of the package."""
    found: dict[str, Entry] = {}
    bare: list[tuple[str, str]] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = str(path.relative_to(PACKAGE))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        returns = {
            node.name: ast.unparse(node.returns).strip("'\"")
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.returns
        }
        for code, name, sentence in calls(tree):
            kind = KINDS.get(name) or STATES.get(name) or KINDS.get(returns.get(name, ""))
            if not kind and not sentence:
                continue
            entry = found.setdefault(code, Entry())
            entry.modules.add(module)
            entry.kinds |= {kind} if kind else set()
            if sentence and sentence not in entry.sentences:
                entry.sentences.append(sentence)
        bare += [(text_of(node), module) for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    areas = {code.partition(".")[0] for code in found}
    for code, module in bare:
        if is_code(code) and code.partition(".")[0] in areas:
            found.setdefault(code, Entry()).modules.add(module)
    return found


def codes_page() -> str:
    """The page: a table for each area."""
    lines = [HEAD]
    area = ""
    for code, entry in sorted(collect().items()):
        if code.partition(".")[0] != area:
            area = code.partition(".")[0]
            lines.append(f"\n## {area}\n\n| code | what happens | it says | raised in |\n|---|---|---|---|")
        says = "<br>".join(" ".join(text.split()).replace("|", "\\|") for text in entry.sentences[:3])
        written = all(module.startswith(("language/", "cli/")) for module in entry.modules)
        kinds = ", ".join(sorted(entry.kinds)) or ("wrong input" if written else "record rejected")
        lines.append(f"| `{code}` | {kinds} | {says} | {', '.join(f'`{name}`' for name in sorted(entry.modules))} |")
    return "\n".join(lines) + "\n"
