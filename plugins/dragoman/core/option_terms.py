"""Terms about options, by which a manifest says what holds where they are written in some way.

``batch`` is true where the option is written, ``!batch`` where it is not, ``path{}`` where its text has a placeholder
such as ``{number}``, ``mode=delete`` where it has that value. Options within options are named by dots:
``read_back.key``. The delivery's ``mode`` may be asked for too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dragoman.core.manifest import DestinationRole, SourceRole

__all__ = ["all_hold", "guarantee_of", "name_in", "told"]

_PLACEHOLDER = re.compile(r"\{[^{}/]+\}")


def guarantee_of(role: SourceRole | DestinationRole, options: Mapping[str, Any], mode: str = "") -> str:
    """What the role promises with these options: the first of its ``guarantees`` that holds, else its own."""
    known = {**options, "mode": mode} if mode else options
    return next((case.says for case in role.guarantees if all_hold(case.given, known)), role.guarantee)


def all_hold(terms: Iterable[str], options: Mapping[str, Any]) -> bool:
    """Whether all terms are true of the options."""
    return all(_holds(term, options) for term in terms)


def name_in(term: str) -> str:
    """The option that a term is about, with its dots."""
    return term.removeprefix("!").partition("=")[0].removesuffix("{}")


def told(terms: Iterable[str]) -> str:
    """Terms as a page reads them: ``with idempotency and without read_back``."""
    return " and ".join(_told(term) for term in terms)


def _holds(term: str, options: Mapping[str, Any]) -> bool:
    if term.startswith("!"):
        return not _holds(term[1:], options)
    here: Any = options
    for part in name_in(term).split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    if "=" in term:
        return str(here) == term.partition("=")[2]
    if term.endswith("{}"):
        return isinstance(here, str) and _PLACEHOLDER.search(here) is not None
    return here is not None


def _told(term: str) -> str:
    word = "without" if term.startswith("!") else "with"
    name, _, value = term.removeprefix("!").partition("=")
    if value:
        return f"{word} `{name}: {value}`"
    if name.endswith("{}"):
        return f"{word} a placeholder in `{name[:-2]}`"
    return f"{word} `{name}`"
