"""The housekeeping inside Airflow: the body of the DAG ``platform_housekeeping``."""

from __future__ import annotations

from typing import Any

__all__ = ["keep_house"]


def keep_house(*, dry_run: bool = False) -> dict[str, Any]:
    """One round over the integrations that the front door reads, and over alerts that could not be sent yet.

    Returns what was removed and mended.

    Raises ``RetriableError`` ``purge.problems`` at its end where something could not be looked at.
    """
    from dragoman.core.errors import RetriableError
    from dragoman.orchestration.front_door import integrations_of_airflow
    from dragoman.orchestration.telling import tell_again
    from dragoman.orchestration.workplace import opened_workplace
    from dragoman.steps.purge import purge

    with opened_workplace("airflow:housekeeping") as place:
        done = purge(place, integrations_of_airflow(), dry_run=dry_run)
        if not dry_run:
            tell_again(place.ledger)
    if done.problems:
        raise RetriableError(
            "purge.problems",
            f"{len(done.problems)} things could not be looked at: " + "; ".join(done.problems[:5]),
            next_step="all else is done; look at these, or wait for the next round",
        )
    return done.as_dict()
