"""The API server, which guards the rights, also keeps them up to date: by itself, soon after a YAML file changed.

A middleware of the server's root app: Airflow starts it in the very process that serves (not in a parent that only
forks), with that process's own database connections. Its one thread looks every 20 seconds (``DRAGOMAN_ACCESS_EVERY``)
whether any stored DAG changed, which is one small query, and synchronises then; every 10 minutes it does so anyway, for
what people changed by hand. Servers that stand side by side take turns by a lock in the database.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from dragoman.core import clock
from dragoman.core.errors import DragomanError
from dragoman.orchestration.rights.declared import declared_access, state_of_dags
from dragoman.orchestration.rights.sync import Synced, auth_manager_name, has_rights_per_dag, refused, synchronise

__all__ = ["RightsKeeper"]

LOOK_EVERY = 20.0
ANYWAY_EVERY = 600.0

_LOG = logging.getLogger(__name__)


class RightsKeeper:
    """ASGI: passes everything on; its thread lives as long as the server."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._look_every = float(os.environ.get("DRAGOMAN_ACCESS_EVERY") or LOOK_EVERY)
        self._over = threading.Event()
        self._seen: Any = None
        self._done_at = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The life of the server is one call of the kind ``lifespan``."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        threading.Thread(target=self._keep, name="dragoman-access", daemon=True).start()
        try:
            await self._app(scope, receive, send)
        finally:
            self._over.set()

    def _keep(self) -> None:
        try:
            if not has_rights_per_dag():
                _warn_without_rights()
                return
        except DragomanError as error:
            _LOG.warning("%s", error)
            return
        while not self._over.is_set():
            try:
                self._look()
            except DragomanError as error:
                _LOG.warning("%s", error)
            self._over.wait(self._look_every)

    def _look(self) -> None:
        state = _state()
        if state == self._seen and clock.monotonic() - self._done_at < ANYWAY_EVERY:
            return
        synced = synchronise()
        if not synced.busy:
            self._seen, self._done_at = state, clock.monotonic()
            _tell(synced)


def _state() -> Any:
    from airflow.utils.session import create_session
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with create_session() as session:
            return state_of_dags(session)
    except SQLAlchemyError as error:
        raise refused(error) from error


def _warn_without_rights() -> None:
    from airflow.utils.session import create_session
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with create_session() as session:
            asking = declared_access(session)
    except SQLAlchemyError:
        return
    if asking:
        _LOG.warning(
            "%d integrations have access:, which has no effect: %s knows no rights per DAG",
            len(asking),
            auth_manager_name(),
        )


def _tell(synced: Synced) -> None:
    changes = synced.changes
    for sentence in synced.wrong:
        _LOG.warning("access: %s", sentence)
    if changes:
        _LOG.info(
            "access: %d roles made, %d rights given, %d taken",
            len(changes.roles_made),
            len(changes.given),
            len(changes.taken),
        )
