"""Checks what a manifest says of combinations of options: promises, what is wrong, and examples."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dragoman.core.manifest import DestinationRole, Option, SourceRole
from dragoman.core.option_terms import name_in
from dragoman.language.combinations import refuse_combinations
from dragoman.language.options import check_options
from dragoman.language.reader import Reading

__all__ = ["check_cases", "check_examples"]

Role = SourceRole | DestinationRole


def check_cases(reading: Reading, role: Role, name: str) -> None:
    """Terms name declared options, and each case says something. ``name`` is source or destination."""
    for word in ("guarantees", "wrong"):
        for at, case in enumerate(getattr(role, word)):
            for term in case.given:
                options: Mapping[str, Option] = {**role.options, "mode": Option(type="text")}
                for part in name_in(term).split("."):
                    if part not in options:
                        found = f"the term {term!r} in {word}"
                        reading.add((name, word, at, "given"), "manifest.term", found, "a declared option")
                        break
                    options = options[part].fields
            if not case.given or not case.says or (word == "wrong" and not case.expected):
                expected = "given and says, and expected in wrong"
                reading.add((name, word, at), "manifest.case", f"an incomplete case in {word}", expected)


def check_examples(reading: Reading, role: Role, name: str, language: Collection[str]) -> None:
    """Each example is what its role takes; keys of the language are left to it."""
    for at, example in enumerate(role.examples):
        place = (name, "examples", at, "write")

        def complain(
            path: tuple[str | int, ...],
            code: str,
            found: str,
            expected: str = "",
            near: str = "",
            *,
            key: bool = False,
            place: tuple[str | int, ...] = place,
        ) -> None:
            reading.add((*place, *path), f"manifest.{code}", found, expected, near, key=key)

        given = {word: value for word, value in example.write.items() if word not in language}
        options = check_options(role.options, given, (), complain, f"the example {example.title!r}")
        mode = str(example.write.get("mode") or "")
        if isinstance(role, DestinationRole) and mode and mode not in role.can.modes:
            reading.add((*place, "mode"), "manifest.mode", f"mode {mode!r}", "one of " + ", ".join(role.can.modes))
        refuse_combinations(role, options, (), complain, mode=mode)
