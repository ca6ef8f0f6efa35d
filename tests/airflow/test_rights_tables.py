"""Rights in FAB's tables, on SQLite and on PostgreSQL: given, taken, and what an administrator gave left alone."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from dragoman.orchestration.rights.fab_tables import settle
from dragoman.orchestration.rights.words import (
    BASE_RIGHTS,
    BASE_ROLE,
    Given,
    read_access,
    wanted_rights,
    written_access,
)

TEAM = {"orders": {"sales": ["run"]}, "invoices": {"sales": ["read", "payload"], "audit": ["read"]}}


@pytest.fixture(params=["sqlite", "postgres"])
def session(request, tmp_path):
    from airflow.providers.fab.auth_manager import models

    if request.param == "sqlite":
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'fab.db'}")
    else:
        engine = sa.create_engine(request.getfixturevalue("postgres").replace("postgresql", "postgresql+psycopg", 1))
    tables = [table for name, table in models.model_metadata.tables.items() if name.startswith("ab_")]
    models.model_metadata.create_all(engine, tables=tables)
    with Session(engine) as session:
        session.add(models.Role(name="Admin"))
        session.commit()
        yield session
    engine.dispose()


def role_of(session, name):
    from airflow.providers.fab.auth_manager.models import Role

    return session.scalars(sa.select(Role).where(Role.name == name)).unique().one()


def rights(session, role):
    """What a role holds, as FAB itself reads it, without our marks."""
    session.expire_all()
    found = role_of(session, role)
    held = {(permission.action.name, permission.resource.name) for permission in found.permissions}
    return {right for right in held if not right[0].startswith("dragoman_")}


def done(session, access, **keys):
    changes = settle(session, wanted_rights(access)[0], **keys)
    session.commit()
    return changes


def give_by_hand(session, role, action, resource):
    from airflow.providers.fab.auth_manager.models import Permission

    everything = session.scalars(sa.select(Permission)).unique()
    held = next(one for one in everything if (one.action.name, one.resource.name) == (action, resource))
    found = role_of(session, role)
    found.permissions.append(held)
    session.commit()


def test_rights_are_given_with_their_roles(session):
    changes = done(session, TEAM)
    assert changes.roles_made == [BASE_ROLE, "audit", "sales"]
    assert rights(session, "sales") == {
        ("can_read", "DAG:orders"),
        ("can_edit", "DAG:orders"),
        ("can_create", "DAG Run:orders"),
        ("can_read", "DAG:invoices"),
        ("can_read", "Dragoman Payload:invoices"),
    }
    assert rights(session, "audit") == {("can_read", "DAG:invoices")}
    assert rights(session, BASE_ROLE) == set(BASE_RIGHTS)
    assert ("can_read", "Dragoman Payload:invoices") in rights(session, "Admin")
    assert not done(session, TEAM)


def test_what_is_no_longer_asked_for_is_taken(session):
    done(session, TEAM)
    changes = done(session, {"orders": {"sales": ["read"]}})
    assert rights(session, "sales") == {("can_read", "DAG:orders")}
    assert rights(session, "audit") == set()
    assert "sales: can edit on DAG:orders" in changes.taken
    assert done(session, {}).taken == ["sales: can read on DAG:orders"]
    assert not done(session, {})


def test_what_an_administrator_gave_stays(session):
    done(session, TEAM)
    give_by_hand(session, "audit", "can_read", "DAG:orders")
    both = {"orders": {"sales": ["run"], "audit": ["run"]}, "invoices": TEAM["invoices"]}
    assert "audit: can edit on DAG:orders" in done(session, both).given
    done(session, {})
    assert rights(session, "audit") == {("can_read", "DAG:orders")}


def test_what_was_removed_by_hand_comes_back(session):
    done(session, TEAM)
    role = role_of(session, "sales")
    role.permissions = [held for held in role.permissions if held.resource.name != "DAG Run:orders"]
    session.commit()
    assert done(session, TEAM).given == ["sales: can create on DAG Run:orders"]
    session.delete(role_of(session, "audit"))
    session.commit()
    assert done(session, TEAM).roles_made == ["audit"]
    assert rights(session, "audit") == {("can_read", "DAG:invoices")}


def test_the_base_role_is_the_administrators_once_it_has_rights(session):
    done(session, TEAM)
    role = role_of(session, BASE_ROLE)
    role.permissions = [held for held in role.permissions if held.resource.name != "XComs"]
    session.commit()
    assert not done(session, TEAM)
    role.permissions = []
    session.commit()
    done(session, TEAM)
    assert rights(session, BASE_ROLE) == set(BASE_RIGHTS)


def test_a_dry_run_changes_nothing(session):
    changes = done(session, TEAM, dry_run=True)
    assert "sales: can edit on DAG:orders" in changes.given
    assert done(session, TEAM) == changes


def test_many_integrations_are_few_statements(session):
    statements = []
    sa.event.listen(session.get_bind(), "before_cursor_execute", lambda *words: statements.append(words[2]))
    many = {f"orders_{number}": {"sales": ["run", "payload"]} for number in range(300)}
    done(session, many)
    assert len(rights(session, "sales")) == 1200
    assert len(statements) < 60
    done(session, {})
    assert rights(session, "sales") == set()


def test_a_role_that_fab_cannot_hold_is_left_out_alone():
    access = {
        "orders": {"": ["read"], " sales": ["read"], "x" * 65: ["read"], "good": ["read"]},
        "y" * 240: {"good": ["read"]},
    }
    wanted, wrong = wanted_rights(access)
    assert wanted == {Given("good", "dragoman_read", "orders")}
    assert len(wrong) == 4


def test_access_travels_as_text():
    access = {"b": ["run", "read", "read"], "a": ["payload"]}
    assert read_access(written_access(access)) == {"a": ["payload"], "b": ["read", "run"]}
    assert written_access(access) == written_access({"a": ["payload"], "b": ["read", "run"]})
    for foreign in ("no JSON", "[1]", '{"a": "read"}', "7"):
        assert read_access(foreign) is None
