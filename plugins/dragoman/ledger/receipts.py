"""Receipts' index: which sidecar proves which batch, and the chain over all of an integration's sidecars.

The chain is what shows that nothing was taken away or changed afterwards: each link's hash covers the one before.
``chain_n = sha256(chain_(n-1) | sha256 | run | node | batch | rows | moment)``, and ``chain_0`` is the hash of the
integration's name.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dragoman.core import clock
from dragoman.ledger import tables
from dragoman.ledger.part import Part, check_fence
from dragoman.ledger.rows import ReceiptFile, ReceiptLink, Sidecar

__all__ = ["Receipts", "add_receipts", "chained", "first_link"]

_NAME = "receipts"
_PAGE = 5_000


def first_link(integration: str) -> str:
    """What stands before the first link of an integration's chain."""
    return hashlib.sha256(f"dragoman receipts of {integration}".encode()).hexdigest()


def chained(before: str, link: ReceiptLink) -> str:
    """The hash of the next link; its own ``chain`` does not matter."""
    moment = link.noted_at.astimezone(UTC).isoformat(timespec="microseconds")
    text = f"{before}|{link.sha256}|{link.run_id}|{link.node}|{link.batch}|{link.rows}|{moment}"
    return hashlib.sha256(text.encode()).hexdigest()


def add_receipts(
    connection: Connection, integration: str, run_id: str, node: str, sidecars: Sequence[Sidecar]
) -> tuple[int, str]:
    """Append the sidecars of a delivery to the chain, in the caller's transaction, which holds the lease's row.

    Returns the number and the hash of the last link.
    """
    number, chain = _head(connection, integration)
    now, rows = clock.now(), []
    for sidecar in sidecars:
        number += 1
        more: dict[str, Any] = {"integration": integration, "number": number, "run_id": run_id, "node": node}
        link = ReceiptLink(**vars(sidecar), **more, chain="", noted_at=now)
        chain = chained(chain, link)
        rows.append({**vars(link), "chain": chain})
    if rows:
        connection.execute(tables.receipt.insert(), rows)
    return number, chain


def _head(connection: Connection, integration: str) -> tuple[int, str]:
    table = tables.receipt
    last = connection.execute(
        sa.select(table.c.number, table.c.chain)
        .where(table.c.integration == integration)
        .order_by(table.c.number.desc())
        .limit(1)
    ).one_or_none()
    return (int(last.number), str(last.chain)) if last is not None else _start(connection, integration)


def _start(connection: Connection, integration: str) -> tuple[int, str]:
    table = tables.receipt_start
    cut = connection.execute(sa.select(table).where(table.c.integration == integration)).one_or_none()
    return (int(cut.number), str(cut.chain)) if cut is not None else (0, first_link(integration))


class SealedFile(Protocol):
    """What the stage gives for a file of receipts."""

    @property
    def path(self) -> str: ...
    @property
    def sha256(self) -> str: ...


class Receipts(Part):
    """The index of receipts, and the secret that their keys are hashed with."""

    def receipt_secret(self) -> bytes:
        """32 bytes, made once per ledger: whoever has only the files of receipts cannot guess keys from them."""
        table = tables.secret
        query = sa.select(table.c.value).where(table.c.name == _NAME)
        with self._db.read() as connection:
            found = connection.execute(query).scalar()
        if found is not None:
            return bytes(found)
        values = {"name": _NAME, "value": secrets.token_bytes(32), "made_at": clock.now()}
        with self._db.write() as connection:
            if self._db.sqlite:
                connection.execute(sa.insert(table).prefix_with("OR IGNORE").values(values))
            else:
                from sqlalchemy.dialects.postgresql import insert

                connection.execute(insert(table).values(values).on_conflict_do_nothing())
            return bytes(connection.execute(query).scalar_one())

    def receipt_links(self, integration: str, after: int = 0, run_id: str = "") -> Iterator[ReceiptLink]:
        """The links with a number above ``after``, in their order; with ``run_id`` only those of a run."""
        table = tables.receipt
        while True:
            query = sa.select(table).where(table.c.integration == integration, table.c.number > after)
            if run_id:
                query = query.where(table.c.run_id == run_id)
            with self._db.read() as connection:
                page = [
                    ReceiptLink(**row._mapping)
                    for row in connection.execute(query.order_by(table.c.number).limit(_PAGE))
                ]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].number

    def receipt_numbers(self, integration: str, numbers: Sequence[int]) -> dict[int, ReceiptLink]:
        """Those links, by their number."""
        table = tables.receipt
        found: dict[int, ReceiptLink] = {}
        with self._db.read() as connection:
            for at in range(0, len(numbers), 500):
                query = sa.select(table).where(
                    table.c.integration == integration, table.c.number.in_(numbers[at : at + 500])
                )
                found |= {row.number: ReceiptLink(**row._mapping) for row in connection.execute(query)}
        return found

    def receipt_files(self, integration: str, node: str = "") -> list[ReceiptFile]:
        """The files that hold an integration's receipts, oldest first; with ``node`` only those of one delivery."""
        table = tables.receipt
        query = sa.select(
            table.c.node,
            table.c.path,
            table.c.file_sha256,
            sa.func.min(table.c.number).label("first"),
            sa.func.max(table.c.number).label("last"),
            sa.func.count().label("sidecars"),
            sa.func.sum(table.c.rows).label("rows"),
        ).where(table.c.integration == integration)
        if node:
            query = query.where(table.c.node == node)
        query = query.group_by(table.c.node, table.c.path, table.c.file_sha256).order_by(sa.func.min(table.c.number))
        with self._db.read() as connection:
            return [ReceiptFile(**dict(row._mapping) | {"rows": int(row.rows)}) for row in connection.execute(query)]

    def receipt_keys(self, integration: str, node: str = "") -> list[tuple[str, str]]:
        """Which columns the deliveries' keys had, over time: node and ``keyed_by``, each pair once."""
        table = tables.receipt
        query = sa.select(table.c.node, table.c.keyed_by).where(table.c.integration == integration).distinct()
        if node:
            query = query.where(table.c.node == node)
        with self._db.read() as connection:
            return [(row.node, row.keyed_by) for row in connection.execute(query)]

    def receipts_of_run(self, run_id: str) -> dict[str, Any] | None:
        """How many receipts a run has, and its last link in the chain; None where it delivered nothing."""
        table = tables.receipt
        total = sa.select(sa.func.sum(table.c.rows)).where(table.c.run_id == run_id)
        last = (
            sa.select(table.c.number, table.c.chain)
            .where(table.c.run_id == run_id)
            .order_by(table.c.number.desc())
            .limit(1)
        )
        with self._db.read() as connection:
            link = connection.execute(last).one_or_none()
            if link is None:
                return None
            count = int(connection.execute(total).scalar_one())
        return {"count": count, "number": int(link.number), "chain": str(link.chain)}

    def receipt_start(self, integration: str) -> tuple[int, str]:
        """The number and hash that the chain begins after: 0 and ``first_link``, or where it was cut."""
        with self._db.read() as connection:
            return _start(connection, integration)

    def receipt_head(self, integration: str) -> tuple[int, str]:
        """The number and hash of the newest link."""
        with self._db.read() as connection:
            return _head(connection, integration)

    def repoint_receipts(self, integration: str, token: int, before: Sequence[str], now: SealedFile) -> int:
        """The receipts of some files are in another file now; returns how many links were changed."""
        table = tables.receipt
        changed = 0
        with self._db.write() as connection:
            check_fence(connection, integration, token)
            for at in range(0, len(before), 500):
                which = (table.c.integration == integration, table.c.path.in_(before[at : at + 500]))
                statement = table.update().where(*which).values(path=now.path, file_sha256=now.sha256)
                changed += int(connection.execute(statement).rowcount)
        return changed

    def forgotten_receipts(self, integration: str) -> int:
        """How many of the oldest links belong to runs that the ledger has forgotten."""
        with self._db.read() as connection:
            last = _last_forgotten(connection, integration)
            return last - _start(connection, integration)[0] if last else 0

    def cut_receipts(self, integration: str, token: int, who: str) -> int:
        """Remove those links and note where the chain begins now; returns how many they were."""
        table, start = tables.receipt, tables.receipt_start
        with self._db.write() as connection:
            check_fence(connection, integration, token)
            last = _last_forgotten(connection, integration)
            if not last:
                return 0
            mine = table.c.integration == integration
            chain = connection.execute(sa.select(table.c.chain).where(mine, table.c.number == last)).scalar_one()
            gone = int(connection.execute(table.delete().where(mine, table.c.number <= last)).rowcount)
            connection.execute(start.delete().where(start.c.integration == integration))
            values = {"integration": integration, "number": last, "chain": chain, "cut_at": clock.now()}
            connection.execute(start.insert().values(values))
            detail = f"{integration}: links up to {last}, the last {chain}"
            audit = {"at": clock.now(), "who": who, "what": "cut_receipts", "run_id": "", "detail": detail}
            connection.execute(tables.audit.insert().values(audit))
        return gone


def _last_forgotten(connection: Connection, integration: str) -> int:
    """The number of the last link before all that belong to runs that are known; 0 where there is none."""
    table = tables.receipt
    mine = table.c.integration == integration
    known = sa.select(tables.run.c.run_id).where(tables.run.c.run_id == table.c.run_id)
    first = connection.execute(sa.select(sa.func.min(table.c.number)).where(mine, sa.exists(known))).scalar()
    query = sa.select(sa.func.max(table.c.number)).where(mine)
    if first is not None:
        query = query.where(table.c.number < first)
    return int(connection.execute(query).scalar() or 0)
