"""The rights in FAB's tables: what we gave, what is to be given and taken, in one transaction.

FAB's own security manager commits after each right and asks four times for it; here a thousand integrations are a
handful of statements, and either all of it is done or nothing. What a role had before we came carries no mark of ours
and is never taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, delete, insert, or_, select, tuple_

from dragoman.orchestration.rights.words import BASE_RIGHTS, BASE_ROLE, MARKS, Given

__all__ = ["Changes", "settle"]

FIRST_PAGE = ("can_read", "Website")
_AT_ONCE = 400


@dataclass
class Changes:
    """What one synchronisation did; ``given`` and ``taken`` in words."""

    roles_made: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.roles_made or self.given or self.taken)


def settle(session: Any, wanted: set[Given], *, dry_run: bool = False) -> Changes:
    """Bring FAB's tables to ``wanted``; the caller commits. With ``dry_run`` it only says what it would do."""
    from airflow.providers.fab.auth_manager import models

    changes = Changes()
    roles = {role.name: role.id for role in session.execute(select(models.Role.id, models.Role.name))}
    held = _held(session, models)
    marked = {Given(role, action, name.removeprefix("DAG:")) for role, action, name in held if action in MARKS}
    changes.roles_made = sorted(({given.role for given in wanted} | {BASE_ROLE}) - set(roles))
    base_rights = _base_rights(session, models, roles.get(BASE_ROLE))

    taken = sorted(marked - wanted)
    new = sorted(given for given in wanted - marked if (given.role, *given.right) not in held)
    lost = sorted(given for given in wanted & marked if (given.role, *given.right) not in held)
    changes.given = [_said(given.role, given.right) for given in sorted({*new, *lost})]
    changes.given += [_said(BASE_ROLE, right) for right in base_rights]
    changes.taken = [_said(given.role, given.right) for given in taken]
    if dry_run:
        return changes

    roles |= _named(session, models.Role, set(changes.roles_made))
    _take(session, models, roles, taken)
    to_hold = [(given.role, *pair) for given in new for pair in (given.right, (given.mark, f"DAG:{given.dag_id}"))]
    to_hold += [(given.role, *given.right) for given in lost]
    to_hold += [(BASE_ROLE, *right) for right in base_rights]
    _give(session, models, roles, to_hold)
    return changes


def _held(session: Any, models: Any) -> set[tuple[str, str, str]]:
    """Role, action and resource of everything that is held on a single DAG."""
    prefixes = sorted({prefix for _action, prefix in MARKS.values()})
    query = (
        select(models.Role.name, models.Action.name, models.Resource.name)
        .join(models.assoc_permission_role, models.assoc_permission_role.c.role_id == models.Role.id)
        .join(models.Permission, models.Permission.id == models.assoc_permission_role.c.permission_view_id)
        .join(models.Action, models.Action.id == models.Permission.action_id)
        .join(models.Resource, models.Resource.id == models.Permission.resource_id)
        .where(or_(*(models.Resource.name.startswith(prefix, autoescape=True) for prefix in prefixes)))
    )
    return {(role, action, resource) for role, action, resource in session.execute(query)}


def _take(session: Any, models: Any, roles: dict[str, int], taken: Iterable[Given]) -> None:
    pairs = [(given.role, pair) for given in taken for pair in (given.right, (given.mark, f"DAG:{given.dag_id}"))]
    ids = _permission_ids(session, models, {pair for _role, pair in pairs})
    table = models.assoc_permission_role
    gone = [(roles[role], ids[pair]) for role, pair in pairs if pair in ids]
    for some in _portions(gone):
        same = [and_(table.c.role_id == role, table.c.permission_view_id == permission) for role, permission in some]
        session.execute(delete(table).where(or_(*same)))


def _give(session: Any, models: Any, roles: dict[str, int], to_hold: list[tuple[str, str, str]]) -> None:
    pairs = {(action, resource) for _role, action, resource in to_hold}
    ids = _permission_ids(session, models, pairs)
    made = sorted(pairs - set(ids))
    ids |= _make(session, models, made)
    rows = [{"role_id": roles[role], "permission_view_id": ids[action, name]} for role, action, name in to_hold]
    admin = roles.get("Admin")
    if admin is not None:  # as FAB does it: the role Admin holds every right there is, except those on single DAGs
        rows += [{"role_id": admin, "permission_view_id": ids[pair]} for pair in made if not pair[1].startswith("DAG")]
    if rows:
        session.execute(insert(models.assoc_permission_role), rows)


def _make(session: Any, models: Any, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Permissions that are missing, with their actions and resources."""
    pairs = list(pairs)
    actions = _named(session, models.Action, {action for action, _name in pairs})
    resources = _named(session, models.Resource, {name for _action, name in pairs})
    rows = [{"action_id": actions[action], "resource_id": resources[name]} for action, name in pairs]
    if rows:
        session.execute(insert(models.Permission), rows)
    return _permission_ids(session, models, set(pairs))


def _named(session: Any, model: Any, names: set[str]) -> dict[str, int]:
    """The ids of names, made where there are none."""
    found = _ids(session, model, names)
    fresh = sorted(names - set(found))
    if fresh:
        session.execute(insert(model), [{"name": name} for name in fresh])
    return found | _ids(session, model, set(fresh))


def _ids(session: Any, model: Any, names: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in _portions(sorted(names)):
        rows = session.execute(select(model.name, model.id).where(model.name.in_(some)))
        found |= {row.name: row.id for row in rows}
    return found


def _permission_ids(session: Any, models: Any, pairs: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for some in _portions(sorted(pairs)):
        query = (
            select(models.Action.name, models.Resource.name, models.Permission.id)
            .join(models.Permission, models.Permission.action_id == models.Action.id)
            .join(models.Resource, models.Resource.id == models.Permission.resource_id)
            .where(tuple_(models.Action.name, models.Resource.name).in_(some))
        )
        found |= {(action, name): number for action, name, number in session.execute(query)}
    return found


def _portions(things: list[Any]) -> Iterable[list[Any]]:
    return (things[at : at + _AT_ONCE] for at in range(0, len(things), _AT_ONCE))


def _base_rights(session: Any, models: Any, role_id: int | None) -> list[tuple[str, str]]:
    """What the base role still has to get: everything where it is new or bare, else nothing.

    It gets its rights once, and then is the administrators'. Bare: with no right but the one to the first page, which
    FAB gives to every role by itself.
    """
    table = models.assoc_permission_role
    query = (
        select(models.Action.name, models.Resource.name)
        .join(models.Permission, models.Permission.action_id == models.Action.id)
        .join(models.Resource, models.Resource.id == models.Permission.resource_id)
        .join(table, table.c.permission_view_id == models.Permission.id)
        .where(table.c.role_id == role_id)
    )
    held = {(action, name) for action, name in session.execute(query)}
    return [] if held - {FIRST_PAGE} else [right for right in BASE_RIGHTS if right not in held]


def _said(role: str, right: tuple[str, str]) -> str:
    action, resource = right
    return f"{role}: {action.replace('_', ' ')} on {resource}"
