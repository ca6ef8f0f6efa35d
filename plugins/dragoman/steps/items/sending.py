"""Sends one batch of items, until it is known of each what became of it.

The order of the items is kept: a request is settled before the next one leaves, so that an older output never comes
behind a newer one of the same key. First send, retry and replay are this one path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn, Protocol

from dragoman.core import clock
from dragoman.core.batch import Refused
from dragoman.core.errors import DragomanError, RetriableError
from dragoman.core.failpoints import failpoint
from dragoman.core.items import AGAIN, DELIVERED, REFUSED, UNKNOWN, Answered, Item, ItemDestination, Outcome
from dragoman.core.patience import BUDGET, Patience, handed_on
from dragoman.steps.items.journal import ItemJournal
from dragoman.steps.items.maker import ItemMaker
from dragoman.steps.items.outcomes import in_doubt, refusals

__all__ = ["ItemSending", "SendingLimit"]

_TRIES = 8
"""Half a minute at most: what was read and judged is at stake, and a run that failed has to be started again."""
_SILENCE = 3
"""So many requests in a row go into doubt before nothing more is sent to a peer that does not answer."""
_WINDOW = 10_000
"""So many items are in memory at once; requests do not cross it."""


class SendingLimit(Protocol):
    """The run's reject limit, as it is judged while a batch is on its way."""

    def allows(self, rejects: int) -> bool:
        """Whether the run may go on with so many rejects of the batch in hand."""
        ...

    def hold(self, refused: Sequence[Refused], delivered: int) -> NoReturn:
        """Hold the run; ``refused`` and ``delivered`` are those of the batch in hand so far."""
        ...


class ItemSending:
    """The items of one batch on their way.

    Args:
        destination: where to.
        maker: makes the items.
        journal: what was done, by this try and by earlier ones.
        limit: judged after each request that had something refused; None where that is done later.
        erase: whether the items are removed instead; to remove twice does no harm, whatever the destination can.
    """

    def __init__(
        self,
        destination: ItemDestination,
        maker: ItemMaker,
        journal: ItemJournal,
        limit: SendingLimit | None = None,
        *,
        erase: bool = False,
    ) -> None:
        self._destination = destination
        self._maker = maker
        self._journal = journal
        self._limit = limit
        self._erase = erase
        self._request: Callable[[Sequence[Item]], Answered] = destination.erase if erase else destination.send
        self._patience = Patience(_TRIES)
        self._silent = 0
        self._asked: float | None = None
        self._outage = ""
        self._done: dict[int, Outcome] = {}

    def through(self) -> Mapping[int, Outcome]:
        """Send what is not settled; returns the final outcome of each item, by row.

        Raises:
            RetriableError: tries or time are used up; all that is known is on record, and the next try goes on.
            FatalError: nothing can be sent this way.
        """
        earlier = self._journal.outcomes
        self._done = {row: one for row, one in earlier.items() if one.state in {DELIVERED, REFUSED}}
        self._judge()
        for sent, lost in self._journal.open_requests():
            self._take_up(sent, lost)
        rest = [row for row in self._maker.rows if row not in self._done]
        for at in range(0, len(rest), _WINDOW):
            for some in _distinct(self._maker.items(rest[at : at + _WINDOW])):
                for request in self._destination.requests(some):
                    self._send(list(request))
        self._journal.save()
        return self._done

    def _take_up(self, sent: list[int], lost: list[int]) -> None:
        """A request of an earlier try of which nobody knows; what may be sent again is sent with the rest."""
        whole = len(sent) == len(lost)
        items = self._maker.items(lost)
        how = self._resolution(items, whole=whole)
        if how == "idempotency":
            self._send(items)
        elif how == "read_back":
            self._look_up(items)
        elif how == "none":
            self._doubt(items)

    def _send(self, items: list[Item]) -> bool:
        """Send the items until each is settled; returns whether any was refused."""
        refused = False
        while items:
            answered = self._ask(items)
            if answered is None:
                continue
            cut = answered.together and len(items) > 1 and all(one.state == REFUSED for one in answered.outcomes)
            known = [Outcome(AGAIN, one.code, one.message) for one in answered.outcomes] if cut else answered.outcomes
            self._journal.answered(items, known)
            if cut:
                self._halve(items)
                return True
            refused = self._settle(items, known) or refused
            items = self._left(items, known)
        return refused

    def _ask(self, items: list[Item]) -> Answered | None:
        """One request; None where it surely was not applied, after a wait."""
        self._pause()
        self._journal.intend(items, harmless=self._harmless(items))
        try:
            answered = self._request(items)
        except DragomanError as error:
            failpoint("deliver.request.answered")
            self._journal.answered(items, [Outcome(AGAIN, error.code, error.message)] * len(items))
            if not isinstance(error, RetriableError):
                self._journal.save()
                raise
            self._outage = error.outage
            self._wait(error.code, error.message, error.retry_after, error.next_step)
            return None
        failpoint("deliver.request.answered")
        self._asked, self._outage = answered.wait, answered.outage
        missing = len(items) - len(answered.outcomes)
        if missing:
            silent = Outcome(UNKNOWN, "deliver.no_answer", "the answer says nothing of it")
            return Answered((*answered.outcomes, *[silent] * missing)[: len(items)], wait=answered.wait)
        return answered

    def _harmless(self, items: Sequence[Item]) -> bool:
        """Whether these items may be sent again, in whatever requests that is."""
        if self._erase:
            return True
        how = self._destination.resolution_after(0.0)
        return how == "upsert" or (how == "idempotency" and len(items) == 1)

    def _settle(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> bool:
        final = {
            item.row: one
            for item, one in zip(items, outcomes, strict=True)
            if one.state in {DELIVERED, REFUSED} and item.row not in self._done
        }
        self._done |= final
        if final:
            self._patience, self._silent = Patience(_TRIES), 0
        if all(one.state == DELIVERED for one in final.values()):
            return False
        self._judge()
        return True

    def _left(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> list[Item]:
        """What of a request is to be sent again, after a wait."""
        pairs = [(item, one) for item, one in zip(items, outcomes, strict=True) if item.row not in self._done]
        unknown = [item for item, one in pairs if one.state == UNKNOWN]
        if not pairs:
            return []
        how = self._resolution(unknown, whole=len(unknown) == len(items)) if unknown else ""
        if how == "none":
            self._doubt(unknown)
            if len(unknown) == len(pairs) < len(items):
                return []
            self._silent += 1
        said = next((one for _item, one in pairs if one.state == UNKNOWN), pairs[0][1])
        self._wait(*_words(said, len(pairs)), self._asked)
        if how == "read_back":
            self._look_up(unknown)
        return [item for item, _one in pairs if item.row not in self._done]

    def _halve(self, items: list[Item]) -> None:
        """One of them at least is to blame for the refusal of all."""
        middle = len(items) // 2
        left, right = items[:middle], items[middle:]
        if not self._send(left) and len(right) > 1:
            self._halve(right)
        else:
            self._send(right)

    def _resolution(self, items: Sequence[Item], *, whole: bool) -> str:
        if self._erase:
            return "upsert"
        sent = min(self._journal.first_sent[item.row] for item in items)
        age = max(0.0, (clock.now() - sent).total_seconds())
        return self._destination.resolution_after(age, whole=whole)

    def _look_up(self, items: Sequence[Item]) -> None:
        """Ask for each item; those that are not there stay to be sent."""
        self._journal.save()
        for item in items:
            while True:
                try:
                    found = self._destination.look_up(item)
                except RetriableError as error:
                    self._outage = error.outage
                    self._wait(error.code, error.message, error.retry_after, error.next_step)
                    continue
                break
            if found is not None:
                self._done[item.row] = found

    def _doubt(self, items: Sequence[Item]) -> None:
        for item in items:
            known, sent = self._journal.outcomes[item.row], self._journal.first_sent[item.row]
            self._done[item.row] = in_doubt(known, sent, item.key)

    def _judge(self) -> None:
        if self._limit is None:
            return
        rejects = len(self._maker.refused) + sum(one.state == REFUSED for one in self._done.values())
        if rejects and not self._limit.allows(rejects):
            self._journal.save()
            refused = sorted([*self._maker.refused.values(), *refusals(self._done)], key=lambda one: one.row)
            self._limit.hold(refused, sum(one.state == DELIVERED for one in self._done.values()))

    def _pause(self) -> None:
        """Wait before the next request as long as the last answer asked for."""
        asked, self._asked = self._asked, None
        if not asked:
            return
        self._journal.save()
        if asked > BUDGET:
            raise RetriableError(
                "deliver.paused",
                f"the destination asks to wait {asked:.0f} s before the next request",
                next_step="nothing: the next try goes on with what is not sent",
                retry_after=handed_on(asked),
            )
        clock.sleep(asked)

    def _wait(self, code: str, message: str, asked: float | None, step: str = "") -> None:
        self._journal.save()
        self._asked = None
        wait = self._patience.next_wait(asked)
        if wait is not None and self._silent < _SILENCE:
            clock.sleep(wait)
            return
        raise RetriableError(
            code,
            f"{message}, after {self._patience.told}",
            next_step=step or "nothing is lost: the next try goes on with what is not settled",
            retry_after=handed_on(asked),
            outage=self._outage,
        )


def _words(outcome: Outcome, items: int) -> tuple[str, str]:
    """Code and sentence of an item that is not settled."""
    many = "1 item" if items == 1 else f"{items} items"
    if outcome.state == UNKNOWN:
        said = outcome.message or "no answer"
        return outcome.code or "deliver.no_answer", f"nobody knows whether {many} arrived: {said}"
    return outcome.code or "deliver.not_taken", f"the destination did not take {many}: {outcome.message or 'try later'}"


def _distinct(items: Sequence[Item]) -> Iterator[list[Item]]:
    """The items in portions, none of which holds a key twice: a request must not mix an older and a newer output."""
    portion: list[Item] = []
    keys: set[str] = set()
    for item in items:
        if item.key in keys:
            yield portion
            portion, keys = [], set()
        portion.append(item)
        keys.add(item.key)
    if portion:
        yield portion
