"""One synchronisation: from the DAGs that Airflow has stored to the rights in FAB's tables.

For processes that reach Airflow's own database: the API server (``keeper.py``) and ``dragoman access sync``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dragoman.core.errors import ConfigError, DragomanError, RetriableError
from dragoman.orchestration.rights.declared import declared_access
from dragoman.orchestration.rights.fab_tables import Changes, settle
from dragoman.orchestration.rights.words import wanted_rights

__all__ = ["Synced", "auth_manager_name", "has_rights_per_dag", "refused", "synchronise"]

_LOCK = 0x6472_6167_6163_6373
"""PostgreSQL's advisory lock of those who synchronise."""
_TRIES = 3


@dataclass
class Synced:
    """``integrations``: how many have ``access:``; ``wrong``: a sentence for each role that was left out."""

    integrations: int = 0
    changes: Changes = field(default_factory=Changes)
    wrong: list[str] = field(default_factory=list)
    busy: bool = False
    """Another process is at it: nothing was done."""


def auth_manager_name() -> str:
    """The class name of Airflow's auth manager."""
    from airflow.configuration import conf

    return str(conf.get_mandatory_value("core", "auth_manager")).rpartition(".")[2]


def has_rights_per_dag() -> bool:
    """Whether Airflow's auth manager is FAB's, or made from it."""
    from airflow.configuration import conf

    try:
        from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
    except ImportError:
        return False
    return issubclass(conf.getimport("core", "auth_manager") or object, FabAuthManager)


def synchronise(*, dry_run: bool = False) -> Synced:
    """Give and take, in one transaction.

    Raises:
        ConfigError: ``access.no_rights``: the auth manager knows no rights per DAG.
        RetriableError: ``access.database``: Airflow's database does not answer, or has no tables of FAB's.
    """
    if not has_rights_per_dag():
        raise ConfigError(
            "access.no_rights",
            f"Airflow's auth manager is {auth_manager_name()}, which knows no rights per DAG: access: has no effect, "
            "and every user of this Airflow sees every integration and its rejects",
            next_step="pip install 'dragoman[fab]' and set AIRFLOW__CORE__AUTH_MANAGER="
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        )
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError

    for attempt in range(_TRIES):
        try:
            return _once(dry_run=dry_run)
        except IntegrityError as error:  # another process has made the same role or right meanwhile: look again
            if attempt == _TRIES - 1:
                raise refused(error) from error
        except SQLAlchemyError as error:
            raise refused(error) from error
    raise AssertionError("the last attempt returns or raises")


def _once(*, dry_run: bool) -> Synced:
    from airflow.utils.session import create_session

    with create_session() as session:
        if not _is_ours(session):
            return Synced(busy=True)
        declared = declared_access(session)
        wanted, wrong = wanted_rights(declared)
        return Synced(len(declared), settle(session, wanted, dry_run=dry_run), wrong)


def _is_ours(session: Any) -> bool:
    """Take the lock until the transaction ends; databases without one are safe too, by their unique keys."""
    from sqlalchemy import func, select

    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))))


def refused(error: Exception) -> DragomanError:
    """An error of Airflow's database in our words."""
    said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return RetriableError(
        "access.database",
        f"the rights cannot be brought to Airflow's database: {said}",
        next_step="see that it runs and that airflow db migrate has been done with the FAB provider installed",
    )
