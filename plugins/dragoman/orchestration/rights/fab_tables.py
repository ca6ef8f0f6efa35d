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
    base_rights = () if _holds_something(session, models, roles.get(BASE_ROLE)) else BASE_RIGHTS

    taken = sorted(marked - wanted)
    new = sorted(given for given in wanted - marked if (given.role, *given.right) not in held)
    lost = sorted(given for given in wanted & marked if (given.role, *given.right) not in held)
    changes.given = [_said(given.role, given.right) for given in sorted({*new, *lost})]
    changes.given += [_said(BASE_ROLE, right) for right in base_rights]
    changes.taken = [_said(given.role, given.right) for given in taken]
    if dry_run:
        return changes

    for name in changes.roles_made:
        role = models.Role(name=name)
        session.add(role)
        session.flush()
        roles[name] = role.id
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
    made = {
        (action, name): models.Permission(action_id=actions[action], resource_id=resources[name])
        for action, name in pairs
    }
    session.add_all(made.values())
    session.flush()
    return {pair: permission.id for pair, permission in made.items()}


def _named(session: Any, model: Any, names: set[str]) -> dict[str, int]:
    """The ids of names, made where there are none."""
    found: dict[str, int] = {}
    for some in _portions(sorted(names)):
        rows = session.execute(select(model.name, model.id).where(model.name.in_(some)))
        found |= {row.name: row.id for row in rows}
    fresh = {name: model(name=name) for name in sorted(names - set(found))}
    session.add_all(fresh.values())
    session.flush()
    return found | {name: row.id for name, row in fresh.items()}


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


def _holds_something(session: Any, models: Any, role_id: int | None) -> bool:
    """Whether a role has any right; the base role gets its rights once, and then is the administrators'."""
    table = models.assoc_permission_role
    return session.scalar(select(table.c.id).where(table.c.role_id == role_id).limit(1)) is not None


def _said(role: str, right: tuple[str, str]) -> str:
    action, resource = right
    return f"{role}: {action.replace('_', ' ')} on {resource}"
