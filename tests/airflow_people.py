"""FAB's users for a test: roles and people in a migrated database, written before Airflow starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

PASSWORD = "a password of tests"
FAB = {
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "AIRFLOW__FAB__AUTH_RATE_LIMITED": "False",
    "AIRFLOW__FAB__CACHE_TTL": "1",
}
"""Settings of a component; a user's rights are kept for one second instead of thirty."""


def add_people(database: Path, people: Mapping[str, Sequence[str]]) -> None:
    """Users by name with their roles; a role that is missing is made, without rights."""
    from airflow.providers.fab.auth_manager.models import Role, User
    from werkzeug.security import generate_password_hash

    engine = sa.create_engine(f"sqlite:///{database}")
    with Session(engine) as session:
        roles = {role.name: role for role in session.scalars(sa.select(Role)).unique()}
        hashed = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1000")
        for name, wanted in people.items():
            for role in wanted:
                roles.setdefault(role, Role(name=role))
            mail = f"{name}@example.com"
            person = User(username=name, first_name=name, last_name=name, email=mail, password=hashed, active=True)
            person.roles = [roles[role] for role in wanted]
            session.add(person)
        session.commit()
    engine.dispose()
