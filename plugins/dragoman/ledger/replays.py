"""Replays: which rejects a run has claimed, and what people decide about single ones.

A reject is claimed in the transaction that opens the replay, so of two replays at once one finds it taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from dragoman.core import clock
from dragoman.core.errors import RetriableError
from dragoman.ledger import tables
from dragoman.ledger.part import Part, check_fence, packed
from dragoman.ledger.reject_index import Wanted, portions
from dragoman.ledger.rows import REPLAY, RejectRow, Run
from dragoman.ledger.runs import new_run, run_of

__all__ = ["Replays"]

_CLAIMABLE = ("open", "in_doubt")


class Replays(Part):
    """Claims and decisions."""

    def replayable(self, integration: str, wanted: Wanted) -> list[int]:
        """The numbers of the chosen rejects that belong to closed runs, in the order in which they were read."""
        table, run = tables.reject, tables.run
        query = (
            sa.select(table.c.id)
            .join(run, run.c.run_id == table.c.run_id)
            .where(*wanted.of(integration), run.c.closed_at.is_not(None))
            .order_by(run.c.opened_at, table.c.run_id, table.c.rid, table.c.id)
        )
        with self._db.read() as connection:
            return list(connection.execute(query).scalars())

    def open_replay(
        self,
        integration: str,
        token: int,
        digest: str,
        *,
        run_id: str,
        claims: Sequence[int],
        asked: Mapping[str, Any],
        who: str,
    ) -> Run:
        """Open a replay and claim its rejects, all or none.

        Raises:
            RetriableError: ``replay.claimed``: some of them are no longer open or in doubt.
        """
        table = tables.reject
        values = new_run(run_id, integration, token, digest) | {"kind": REPLAY, "tries": 0, "asked": packed(asked)}
        claimed: dict[str, Any] = {"claimed_as": table.c.state, "state": "replaying", "replay_run": run_id}
        with self._db.write() as connection:
            check_fence(connection, integration, token)
            connection.execute(tables.run.insert().values(values))
            taken = 0
            for some in portions(claims):
                free = (table.c.id.in_(some), table.c.integration == integration, table.c.state.in_(_CLAIMABLE))
                taken += int(connection.execute(table.update().where(*free).values(claimed)).rowcount)
            if taken != len(claims):
                raise RetriableError(
                    "replay.claimed",
                    f"{len(claims) - taken} of {len(claims)} rejects of {integration} were taken by somebody else",
                    next_step=f"dragoman rejects {integration} shows what is left",
                )
            _audit(connection, who, "replay", run_id, packed(asked))
            return run_of(connection, run_id)

    def claimed(self, run_id: str) -> list[int]:
        """The numbers of what a replay has claimed, in the order in which they were read."""
        table, run = tables.reject, tables.run
        query = (
            sa.select(table.c.id)
            .join(run, run.c.run_id == table.c.run_id)
            .where(table.c.replay_run == run_id)
            .order_by(run.c.opened_at, table.c.run_id, table.c.rid, table.c.id)
        )
        with self._db.read() as connection:
            return list(connection.execute(query).scalars())

    def unfinished_replays(self, integration: str) -> list[Run]:
        """Replays that have not ended, oldest first."""
        run = tables.run
        query = sa.select(run.c.run_id).where(
            run.c.integration == integration, run.c.kind == REPLAY, run.c.closed_at.is_(None)
        )
        with self._db.read() as connection:
            ids = list(connection.execute(query.order_by(run.c.opened_at, run.c.run_id)).scalars())
            return [run_of(connection, run_id) for run_id in ids]

    def runs_with_claims(self, integration: str) -> set[str]:
        """Runs of which a replay that has not ended needs the payloads."""
        table = tables.reject
        query = sa.select(table.c.run_id).where(table.c.integration == integration, table.c.state == "replaying")
        with self._db.read() as connection:
            return set(connection.execute(query.distinct()).scalars())

    def decide_rejects(
        self, numbers: Sequence[int], was: str, becomes: str, *, who: str, what: str, detail: str
    ) -> None:
        """A person's word about rejects, all or none, with an audit for each run that they are of.

        Raises:
            RetriableError: ``reject.changed``: somebody else has decided about some of them meanwhile.
        """
        table = tables.reject
        of_run: dict[str, list[int]] = {}
        with self._db.write() as connection:
            for some in portions(numbers):
                same = (table.c.id.in_(some), table.c.state == was)
                for row in connection.execute(sa.select(table.c.id, table.c.run_id).where(*same)):
                    of_run.setdefault(row.run_id, []).append(row.id)
                connection.execute(table.update().where(*same).values(state=becomes))
            changed = sum(len(found) for found in of_run.values())
            if changed != len(numbers):
                raise RetriableError(
                    "reject.changed",
                    f"{len(numbers) - changed} of {len(numbers)} rejects are no longer {was}: somebody has decided",
                    next_step="dragoman rejects NAME --all shows what they are now",
                )
            for run_id, found in of_run.items():
                _audit(connection, who, what, run_id, f"rejects {_spans(found)}: {detail}")

    def decide_reject(
        self, number: int, row: RejectRow, changes: Mapping[str, str], *, who: str, what: str, detail: str
    ) -> None:
        """A person's word about one reject, with its audit.

        Raises:
            RetriableError: ``reject.changed``: somebody else has changed its state meanwhile.
        """
        table = tables.reject
        same = (table.c.id == number, table.c.state == row.state, table.c.run_id == row.run_id)
        with self._db.write() as connection:
            if connection.execute(table.update().where(*same).values(**changes)).rowcount != 1:
                raise RetriableError(
                    "reject.changed",
                    f"the reject {number} is no longer {row.state}: somebody else has decided about it",
                    next_step=f"dragoman rejects {row.integration} --reject {number}",
                )
            _audit(connection, who, what, row.run_id, detail)


def _spans(numbers: Sequence[int]) -> str:
    """Numbers as ``1-3, 7``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][-1] == number - 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, span)) for span in spans)


def _audit(connection: sa.Connection, who: str, what: str, run_id: str, detail: str) -> None:
    values = {"at": clock.now(), "who": who, "what": what, "run_id": run_id, "detail": detail}
    connection.execute(tables.audit.insert().values(values))
