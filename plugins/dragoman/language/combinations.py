"""Refuses options that cannot stand together, as the manifest says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.core.manifest import DestinationRole, SourceRole
from dragoman.core.option_terms import all_hold, name_in
from dragoman.language.options import Complain

__all__ = ["refuse_combinations"]


def refuse_combinations(
    role: SourceRole | DestinationRole,
    options: Mapping[str, Any],
    path: tuple[str | int, ...],
    complain: Complain,
    *,
    mode: str = "",
) -> None:
    """Tell each wrong combination at the place of the option that its first term is about."""
    known = {**options, "mode": mode} if mode else options
    for case in role.wrong:
        if all_hold(case.given, known):
            place = (*path, *name_in(case.given[0]).split("."))
            complain(place, "option.combination", case.says, case.expected, key=True)
