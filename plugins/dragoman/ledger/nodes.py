"""Batches and node accounts of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from dragoman.core import clock
from dragoman.core.errors import FatalError
from dragoman.ledger import tables
from dragoman.ledger.part import Part, fenced_run, packed, replace_rejects
from dragoman.ledger.receipts import add_receipts
from dragoman.ledger.rows import REPLAY, BatchRow, NodeRow, RejectRow, Sidecar

__all__ = ["Nodes", "SealedFile"]


class SealedFile(Protocol):
    """What the stage gives for a sealed file."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def rows(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102


class Nodes(Part):
    """Batches and node accounts; each write checks the fencing token in its own transaction."""

    def record_batch(self, run_id: str, token: int, node: str, seq: int, *, sealed: SealedFile) -> BatchRow:
        """A batch is sealed; recording the same one again changes nothing."""
        row = BatchRow(
            run_id=run_id,
            node=node,
            seq=seq,
            path=sealed.path,
            sha256=sealed.sha256,
            rows=sealed.rows,
            size=sealed.size,
        )
        with self._db.write() as connection:
            fenced_run(connection, run_id, token)
            table = tables.batch
            key = (table.c.run_id == run_id, table.c.node == node, table.c.seq == seq)
            connection.execute(table.delete().where(*key))
            connection.execute(table.insert().values(vars(row)))
        return row

    def batches(self, run_id: str, node: str) -> list[BatchRow]:
        """The node's batches in their order."""
        table = tables.batch
        query = sa.select(table).where(table.c.run_id == run_id, table.c.node == node).order_by(table.c.seq)
        with self._db.read() as connection:
            return [BatchRow(**row._mapping) for row in connection.execute(query)]

    def latest_batch(self, integration: str, node: str) -> BatchRow | None:
        """The newest batch that a run of the integration read for the node: what its records look like."""
        table = tables.batch
        query = (
            sa.select(table)
            .join(tables.run, tables.run.c.run_id == table.c.run_id)
            .where(tables.run.c.integration == integration, tables.run.c.kind != REPLAY, table.c.node == node)
            .order_by(tables.run.c.opened_at.desc(), table.c.seq)
            .limit(1)
        )
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else BatchRow(**row._mapping)

    def drop_batches(self, run_id: str, token: int, node: str) -> None:
        """Forget the node's batches and its account: it begins anew. The stage files are dropped after this."""
        with self._db.write() as connection:
            fenced_run(connection, run_id, token)
            for table in (tables.batch, tables.node, tables.reject):
                connection.execute(table.delete().where(table.c.run_id == run_id, table.c.node == node))

    def seal_node(
        self,
        run_id: str,
        token: int,
        node: str,
        kind: str,
        counts: Mapping[str, int],
        *,
        cursor: Any = None,
        marks: Mapping[str, str] | None = None,
        rejects: Sequence[RejectRow] = (),
    ) -> None:
        """A source or a whole-set translation is complete: counts, cursor to move, marks to set, rejects."""
        values = {"node": node, "kind": kind, "state": "sealed", "counts": packed(counts), "marks": packed(marks or {})}
        self._write(run_id, token, values | {"cursor": None if cursor is None else packed(cursor)}, rejects)

    def prepare_node(
        self,
        run_id: str,
        token: int,
        node: str,
        kind: str,
        counts: Mapping[str, int],
        *,
        rejects: Sequence[RejectRow] = (),
    ) -> None:
        """A node's counts and rejects, before the destination commits; those of an earlier try are replaced."""
        values = {"node": node, "kind": kind, "state": "prepared", "counts": packed(counts), "marks": "{}"}
        self._write(run_id, token, values, rejects)

    def finish_node(
        self,
        run_id: str,
        token: int,
        node: str,
        counts: Mapping[str, int] | None = None,
        *,
        receipts: Sequence[Sidecar] = (),
    ) -> None:
        """The destination has committed; ``counts`` replace the prepared ones where they are given.

        ``receipts`` join the integration's chain.
        """
        values: dict[str, Any] = {"state": "done", "changed_at": clock.now()}
        if counts is not None:
            values["counts"] = packed(counts)
        table = tables.node
        with self._db.write() as connection:
            integration = fenced_run(connection, run_id, token)
            add_receipts(connection, integration, run_id, node, receipts)
            done = connection.execute(
                table.update().where(table.c.run_id == run_id, table.c.node == node).values(values)
            )
            if done.rowcount != 1:
                raise FatalError(
                    "run.node_unknown", f"the run {run_id} has no prepared node {node!r}", next_step="report this"
                )

    def node(self, run_id: str, node: str) -> NodeRow | None:
        """One node's account, or None as long as it has none."""
        return next((row for row in self.nodes(run_id) if row.node == node), None)

    def nodes(self, run_id: str) -> list[NodeRow]:
        """The run's node accounts, by name."""
        query = sa.select(tables.node).where(tables.node.c.run_id == run_id).order_by(tables.node.c.node)
        with self._db.read() as connection:
            return [_node(row) for row in connection.execute(query)]

    def _write(self, run_id: str, token: int, values: Mapping[str, Any], rejects: Sequence[RejectRow]) -> None:
        node = values["node"]
        table = tables.node
        with self._db.write() as connection:
            integration = fenced_run(connection, run_id, token)
            connection.execute(table.delete().where(table.c.run_id == run_id, table.c.node == node))
            connection.execute(table.insert().values(**values, run_id=run_id, changed_at=clock.now()))
            replace_rejects(connection, {"run_id": run_id, "node": node, "integration": integration}, rejects)


def _node(row: sa.Row[Any]) -> NodeRow:
    values = dict(row._mapping)
    cursor = None if values["cursor"] is None else json.loads(values["cursor"])
    return NodeRow(
        **values | {"counts": json.loads(values["counts"]), "marks": json.loads(values["marks"]), "cursor": cursor}
    )
