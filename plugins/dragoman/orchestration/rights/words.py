"""The rights of the language in FAB's words: what each gives, and the mark that says that we gave it.

Source of FAB's names: ``airflow.providers.fab.www.security.permissions``; that a trigger needs ``can_edit`` on the DAG
beside ``can_create`` on its runs was found by trying.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

__all__ = [
    "ACCESS_PARAM",
    "BASE_RIGHTS",
    "BASE_ROLE",
    "MARKS",
    "Given",
    "payload_view",
    "read_access",
    "wanted_rights",
    "written_access",
]

ACCESS_PARAM = "access"
"""The DAG's parameter that carries ``access:`` to whoever reads the serialised DAG."""

BASE_ROLE = "Dragoman User"
BASE_RIGHTS: tuple[tuple[str, str], ...] = (
    ("can_read", "Website"),
    ("can_read", "DAG Runs"),
    ("can_read", "Task Instances"),
    ("can_read", "Task Logs"),
    ("can_read", "DAG Versions"),
    ("can_read", "HITL Detail"),
    ("can_read", "Plugins"),
    ("can_read", "Audit Logs"),
    ("can_read", "XComs"),
    ("can_read", "Assets"),
    ("menu_access", "DAGs"),
    ("menu_access", "Assets"),
)
"""What a user of Airflow's pages needs beside rights on DAGs (the list of DAGs asks for ``HITL Detail``, too).

None of it opens any DAG.
"""

MARKS: dict[str, tuple[str, str]] = {
    "dragoman_read": ("can_read", "DAG:"),
    "dragoman_edit": ("can_edit", "DAG:"),
    "dragoman_create": ("can_create", "DAG Run:"),
    "dragoman_payload": ("can_read", "Dragoman Payload:"),
}
"""A mark is an action on ``DAG:<id>`` that Airflow never asks for: a role has it where we gave it the action on the
prefix and the id. FAB keeps names that begin with ``DAG:`` away from its own repairs of the role Admin."""

_RIGHTS: dict[str, tuple[str, ...]] = {
    "read": ("dragoman_read",),
    "run": ("dragoman_read", "dragoman_edit", "dragoman_create"),
    "payload": ("dragoman_read", "dragoman_payload"),
}
_LONGEST_ROLE = 64
_LONGEST_NAME = 250


class Given(NamedTuple):
    """One mark of one role on one DAG."""

    role: str
    mark: str
    dag_id: str

    @property
    def right(self) -> tuple[str, str]:
        """The action and the resource that it stands for."""
        action, prefix = MARKS[self.mark]
        return action, f"{prefix}{self.dag_id}"


def payload_view(dag_id: str) -> str:
    """The resource that guards payloads of rejects."""
    return f"{MARKS['dragoman_payload'][1]}{dag_id}"


def written_access(access: Mapping[str, Sequence[str]]) -> str:
    """``access:`` as the DAG's parameter: JSON, always the same text for the same rights."""
    return json.dumps({role: sorted(set(rights)) for role, rights in sorted(access.items())}, ensure_ascii=False)


def read_access(text: str) -> dict[str, list[str]] | None:
    """The way back; None for what is no such text (anyone's DAG may have a parameter of that name)."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or not all(isinstance(rights, list) for rights in found.values()):
        return None
    return {role: [str(right) for right in rights] for role, rights in found.items()}


def wanted_rights(declared: Mapping[str, Mapping[str, Iterable[str]]]) -> tuple[set[Given], list[str]]:
    """What the integrations ask for, by DAG id; and a sentence for each role that FAB could not hold.

    Such a role is left out alone: nothing else waits for it.
    """
    wanted: set[Given] = set()
    wrong: list[str] = []
    longest = max(len(prefix) for _action, prefix in MARKS.values())
    for dag_id, access in sorted(declared.items()):
        if longest + len(dag_id) > _LONGEST_NAME:
            wrong.append(f"{dag_id}: the id is too long for a right of its own")
            continue
        for role, rights in sorted(access.items()):
            if not role or role != role.strip() or not role.isprintable() or len(role) > _LONGEST_ROLE:
                wrong.append(f"{dag_id}: {role!r} is no name of a role (1 to {_LONGEST_ROLE} printable characters)")
                continue
            wanted |= {Given(role, mark, dag_id) for right in rights for mark in _RIGHTS.get(right, ())}
    return wanted, wrong
