"""Which integration a person means: by its id, or by the path of its YAML file."""

from __future__ import annotations

from dragoman.core.home import integrations_folder
from dragoman.steps.workplace import Workplace

__all__ = ["known_integration"]


def known_integration(place: Workplace, name: str) -> str:
    """The integration's id; ``ConfigError`` where neither the ledger nor a YAML file knows it.

    An integration whose file is gone is still known by its runs; the files are read only where there is no run.
    """
    if not name.endswith((".yaml", ".yml")) and place.ledger.runs(name, limit=1):
        return name
    from dragoman.language import find_flow

    return find_flow(name, integrations_folder()).integration
