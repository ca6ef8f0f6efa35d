"""A delivery session into a destination of items: nothing is committed at the end, each request is settled alone."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from dragoman.core.batch import Refused
from dragoman.core.errors import FatalError
from dragoman.core.items import DELIVERED, ItemDestination, Outcome
from dragoman.core.ports import DeliverRequest
from dragoman.ledger.ledger import Ledger
from dragoman.stage.store import RunStage
from dragoman.steps.items.journal import BatchName, ItemJournal, other_outputs
from dragoman.steps.items.maker import ItemMaker
from dragoman.steps.items.outcomes import refusals
from dragoman.steps.items.sending import ItemSending, SendingLimit

__all__ = ["ItemDelivery"]


class ItemDelivery:
    """A ``DeliverySession`` that ``Erases`` and ``GivesAnswers``.

    A batch that an earlier try settled is not sent again: what became of it comes back from the stage.
    """

    def __init__(
        self,
        destination: ItemDestination,
        request: DeliverRequest,
        ledger: Ledger,
        stage: RunStage,
        limit: SendingLimit,
    ) -> None:
        self._destination = destination
        self._request = request
        self._ledger = ledger
        self._stage = stage
        self._limit = limit
        self._written: tuple[str, list[str]] = ("", [])

    def applied(self) -> bool:
        """False: each request has its own record, and a run that is sent anew skips those."""
        return False

    def write(self, batch_id: str, outputs: pa.Table) -> list[Refused]:
        """Send one batch; ``outputs`` brings ``_record``, the ids of the records that they come from.

        In mode delete the outputs are removed instead.
        """
        erase = self._request.mode == "delete"
        maker = ItemMaker(self._request, batch_id, outputs, "erase" if erase else "send")
        outcomes = self._outcomes(maker, _number(batch_id), erase=erase)
        empty = Outcome(DELIVERED)
        self._written = (batch_id, [outcomes.get(row, empty).remote_id for row in range(outputs.num_rows)])
        return _all_refused(maker, outcomes)

    def erase(self, batch_id: str, keys: pa.Table) -> list[Refused]:
        """Remove the items of these keys."""
        maker = ItemMaker(self._request, batch_id, keys, "erase")
        self._written = (batch_id, [""] * keys.num_rows)
        return _all_refused(maker, self._outcomes(maker, -_number(batch_id) - 1, erase=True))

    def answers(self, batch_id: str) -> Sequence[str]:
        """The peer's own id of each row of the batch that was written last, or erased: then there are none."""
        if self._written[0] != batch_id:
            raise FatalError("deliver.no_answers", f"the batch {batch_id} was not the last to be written")
        return self._written[1]

    def commit(self, positions: str = "{}") -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing was opened here."""

    def _outcomes(self, maker: ItemMaker, number: int, *, erase: bool) -> dict[int, Outcome]:
        if not maker.rows:
            return {}
        name = BatchName(self._request.run_id, self._request.delivery, number, self._request.token)
        journal = ItemJournal(self._ledger, self._stage, name)
        if journal.settled is None:
            if journal.outcomes and max(journal.outcomes) >= maker.count:
                raise other_outputs(name)
            journal.check(maker.items)
            limit = None if number < 0 else self._limit
            journal.settle(ItemSending(self._destination, maker, journal, limit, erase=erase).through())
        settled = journal.settled or {}
        if sorted(settled) != maker.rows:
            raise other_outputs(name)
        return settled


def _number(batch_id: str) -> int:
    return int(batch_id.rpartition("/")[2])


def _all_refused(maker: ItemMaker, outcomes: dict[int, Outcome]) -> list[Refused]:
    return sorted([*maker.refused.values(), *refusals(outcomes)], key=lambda one: one.row)
