"""What the parts of the compiler share while they look at one document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dragoman.core.errors import Problem
from dragoman.core.manifest import Registry
from dragoman.language.reader import Reading

__all__ = ["Context", "Place", "WrittenExpression"]

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class WrittenExpression:
    """An expression, where it stands, and which fields it may name (None where that is not known)."""

    text: str
    path: Place
    fields: frozenset[str] | None = None
    what: str = "fields of the record"


@dataclass
class Context:
    """One file's compilation. ``folder`` holds the files that the integration names."""

    reading: Reading
    registry: Registry
    folder: Path
    expressions: list[WrittenExpression] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    """Content of the files that were named, by their name."""

    def add(
        self, path: Place, code: str, found: str, expected: str = "", nearest: str = "", *, key: bool = False
    ) -> None:
        """Note a problem (see ``Reading.add``)."""
        self.reading.add(path, code, found, expected, nearest, key=key)

    def elsewhere(self, problem: Problem) -> None:
        """Note a problem in another file than the YAML."""
        self.reading.problems.append(problem)

    def expression(
        self, text: str | None, path: Place, fields: Iterable[str] | None = None, what: str = "fields of the record"
    ) -> str:
        """Remember an expression, to be parsed with all the others at the end; gives its text, or empty."""
        if not text:
            return ""
        known = None if fields is None else frozenset(name.lower() for name in fields)
        self.expressions.append(WrittenExpression(text, path, known, what))
        return text
