"""Cursors and marks: where the next run begins. They move only when a run is closed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dragoman.core import clock
from dragoman.ledger import tables
from dragoman.ledger.part import Part, check_fence, packed
from dragoman.ledger.rows import CursorRow

__all__ = ["Positions", "commit_positions"]

_AT_ONCE = 500


class Positions(Part):
    """Reading cursors and marks."""

    def cursor(self, integration: str, node: str) -> Any:
        """The committed cursor of a source's node, or None."""
        table = tables.cursor
        query = sa.select(table.c.value).where(table.c.integration == integration, table.c.node == node)
        with self._db.read() as connection:
            text = connection.execute(query).scalar()
        return None if text is None else json.loads(text)

    def cursors(self, integration: str) -> list[CursorRow]:
        """The committed cursors of all nodes, by name."""
        table = tables.cursor
        query = (
            sa.select(table.c.node, table.c.value, table.c.run_id)
            .where(table.c.integration == integration)
            .order_by(table.c.node)
        )
        with self._db.read() as connection:
            return [CursorRow(row.node, json.loads(row.value), row.run_id) for row in connection.execute(query)]

    def put_cursor(
        self, integration: str, token: int, node: str, value: Any, who: str, *, forget: Sequence[str] = ()
    ) -> None:
        """A person puts a cursor somewhere, or takes it away (None); what it was goes into the audit with it.

        ``forget``: the keys of marks that go with it.
        """
        table = tables.cursor
        with self._db.write() as connection:
            check_fence(connection, integration, token)
            here = (table.c.integration == integration, table.c.node == node)
            before = connection.execute(sa.select(table.c.value).where(*here)).scalar()
            connection.execute(table.delete().where(*here))
            if value is not None:
                connection.execute(
                    table.insert().values(integration=integration, node=node, value=packed(value), run_id="")
                )
            mark = tables.mark.c
            of_node = (mark.integration == integration, mark.node == node, mark.key.in_(forget))
            connection.execute(tables.mark.delete().where(*of_node))
            detail = f"{integration}/{node}: {_short(before)} -> {_short(None if value is None else packed(value))}"
            connection.execute(
                tables.audit.insert().values(at=clock.now(), who=who, what="cursor", run_id="", detail=detail)
            )

    def adopt_positions(
        self, integration: str, token: int, found: Sequence[tuple[str, Mapping[str, Mapping[str, Any]]]], who: str
    ) -> None:
        """Take over what runs left that this ledger does not know: run id and, by node, ``cursor`` and ``marks``."""
        with self._db.write() as connection:
            check_fence(connection, integration, token)
            for run_id, nodes in found:
                for node, left in nodes.items():
                    cursor = left.get("cursor")
                    text = None if cursor is None else packed(cursor)
                    _move(connection, integration, run_id, node, cursor=text, marks=left.get("marks") or {})
                connection.execute(
                    tables.audit.insert().values(
                        at=clock.now(), who=who, what="positions", run_id=run_id, detail="taken from the destination"
                    )
                )

    def heard_of(self, run_ids: Sequence[str]) -> set[str]:
        """Those of the runs that the ledger holds, or whose positions it has taken over."""
        found: set[str] = set()
        with self._db.read() as connection:
            for at in range(0, len(run_ids), _AT_ONCE):
                some = run_ids[at : at + _AT_ONCE]
                held = sa.select(tables.run.c.run_id).where(tables.run.c.run_id.in_(some))
                table = tables.audit
                over = sa.select(table.c.run_id).where(table.c.what == "positions", table.c.run_id.in_(some))
                found |= {*connection.execute(held).scalars(), *connection.execute(over).scalars()}
        return found

    def mark(self, integration: str, node: str, key: str) -> str:
        """One mark; empty where there is none."""
        table = tables.mark
        query = sa.select(table.c.value).where(
            table.c.integration == integration, table.c.node == node, table.c.key == key
        )
        with self._db.read() as connection:
            return str(connection.execute(query).scalar() or "")

    def marks(self, integration: str, node: str) -> dict[str, str]:
        """All marks of a node, by key."""
        table = tables.mark
        query = sa.select(table.c.key, table.c.value).where(table.c.integration == integration, table.c.node == node)
        with self._db.read() as connection:
            return {row.key: row.value for row in connection.execute(query)}


def _short(cursor: str | None) -> str:
    """A cursor for the audit, without the hashes that some carry."""
    if cursor is None:
        return "none"
    value = json.loads(cursor)
    return packed({name: part for name, part in value.items() if name != "seen"} if isinstance(value, dict) else value)


def commit_positions(connection: Connection, integration: str, run_id: str) -> None:
    """Move the cursors and set the marks that the nodes of a run brought along."""
    query = sa.select(tables.node.c.node, tables.node.c.cursor, tables.node.c.marks)
    for row in connection.execute(query.where(tables.node.c.run_id == run_id)).all():
        _move(connection, integration, run_id, row.node, cursor=row.cursor, marks=json.loads(row.marks))


def _move(
    connection: Connection, integration: str, run_id: str, node: str, *, cursor: str | None, marks: Mapping[str, str]
) -> None:
    """``cursor``: its JSON text, None where it stays."""
    if cursor is not None:
        table = tables.cursor
        connection.execute(table.delete().where(table.c.integration == integration, table.c.node == node))
        connection.execute(table.insert().values(integration=integration, node=node, value=cursor, run_id=run_id))
    if marks:
        _set_marks(connection, integration, node, run_id, marks)


def _set_marks(connection: Connection, integration: str, node: str, run_id: str, marks: Mapping[str, str]) -> None:
    table = tables.mark
    keys = list(marks)
    for at in range(0, len(keys), _AT_ONCE):
        some = keys[at : at + _AT_ONCE]
        connection.execute(
            table.delete().where(table.c.integration == integration, table.c.node == node, table.c.key.in_(some))
        )
    connection.execute(
        table.insert(),
        [
            {"integration": integration, "node": node, "key": key, "value": value, "run_id": run_id}
            for key, value in marks.items()
        ],
    )
