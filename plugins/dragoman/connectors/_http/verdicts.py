"""What an answer means for the items that were sent, from its status down to the single result.

Source: RFC 9110, 15; RFC 4918, 11 (207); RFC 6585 (428, 429); RFC 8470 (425). What the destination may do about it
stands in ``core/items.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dragoman.connectors._http.answer_document import UnreadableError, read_json
from dragoman.connectors._http.item_result import unknown
from dragoman.connectors._http.masking import Mask
from dragoman.connectors._http.outcome_reading import listed_outcomes
from dragoman.connectors._http.result_rules import ResultRules
from dragoman.connectors._http.sending import NoReply, Reply
from dragoman.connectors._http.signs import BAD, GOOD, UNSURE, sign_of_value
from dragoman.connectors._http.statuses import error_of
from dragoman.connectors._http.waiting import asked_wait
from dragoman.connectors._http.whole_answer import all_of_them, read_whole
from dragoman.core.errors import DOWN, THROTTLED, FatalError, RetriableError
from dragoman.core.items import AGAIN, DELIVERED, REFUSED, UNKNOWN, Answered, Item, Outcome
from dragoman.core.patience import handed_on

__all__ = ["Terms", "judge"]

_LATER = frozenset({408, 425, 429})
_THE_REQUEST = frozenset({401, 402, 403, 404, 405, 406, 407, 410, 411, 415, 417, 421, 426, 428, 431, 501})
"""Statuses that are about the request or its sender, whatever the item."""
_GONE = frozenset({404, 410})
_REFUSALS = {
    300: ("http.several_matches", "several records have this id"),
    404: ("http.no_such_item", "the server has no such item"),
    409: ("http.conflict", "it conflicts with what the server has"),
    410: ("http.no_such_item", "the server has that item no more"),
    413: ("http.item_too_large", "it is too large for the server"),
}
_EMPTY = frozenset({200, 201, 202, 203, 204, 205})


@dataclass(frozen=True)
class Terms:
    """What was agreed with the peer. ``rules``: where results stand. ``own_path``: the path names the item.

    ``keyed``: an idempotency key was sent. ``external``: the peer upserts by an id that was sent. ``erasing``: it is a
    removal, so that what is gone already is done.
    """

    rules: ResultRules | None = None
    own_path: bool = False
    keyed: bool = False
    external: bool = False
    erasing: bool = False


def judge(reply: Reply | NoReply, items: Sequence[Item], terms: Terms, mask: Mask) -> Answered:
    """The outcome of each item.

    Raises:
        RetriableError: the server surely did not take the request, and asks to come again.
        FatalError: no item can be sent this way; the request was surely not applied.
    """
    if isinstance(reply, NoReply):
        return replace(all_of_them(Outcome(UNKNOWN, "http.no_answer", reply.message), items), outage=DOWN)
    status, said = reply.status, mask.excerpt(reply.body)
    told = f"{reply.location.shown} answered {status}" + (f": {said}" if said else "")
    wait = asked_wait(reply.headers)
    if 200 <= status < 300:
        answered = _success(reply, items, terms, mask)
        return answered if wait is None or "retry-after" not in reply.headers else replace(answered, wait=wait)
    if terms.erasing and status in _GONE:
        return all_of_them(Outcome(DELIVERED), items)
    if status in _LATER:
        raise error_of(status, reply.location.shown, said, handed_on(wait))
    if status == 403 and _slowed_down(reply.headers):
        step = "let the integration run less often, or write larger batches"
        asked = handed_on(wait)
        raise RetriableError("http.throttled", told, next_step=step, retry_after=asked, outage=THROTTLED)
    if (status == 409 and terms.keyed) or (status in {409, 423} and "retry-after" in reply.headers):
        busy = Outcome(AGAIN, "http.in_flight", f"{told}; an earlier request is still at work", answer=said)
        return replace(all_of_them(busy, items), wait=1.0 if wait is None else wait)
    if status >= 500 and status not in _THE_REQUEST:
        lost = Outcome(
            UNKNOWN, "http.server_error", f"{told}; whether the server took the request is not known", answer=said
        )
        return replace(all_of_them(lost, items), wait=wait, outage=DOWN)
    if 300 <= status < 400 and not (status == 300 and (terms.external or terms.own_path)):
        raise _not_followed(reply, told, mask)
    if status in _THE_REQUEST and not (status in _GONE and terms.own_path):
        raise error_of(status, reply.location.shown, said, None)
    return _refusal(reply, items, terms, mask, told)


def _slowed_down(headers: Mapping[str, str]) -> bool:
    """Whether a refusal is about the pace: some servers answer 403 where 429 is meant."""
    return "retry-after" in headers or headers.get("x-ratelimit-remaining", "").strip() == "0"


def _success(reply: Reply, items: Sequence[Item], terms: Terms, mask: Mask) -> Answered:
    rules = terms.rules
    if reply.broken:
        return all_of_them(unknown(reply.broken), items)
    if not reply.body.strip():
        if rules is None and reply.status in _EMPTY:
            return read_whole({}, reply, items, None, mask)
        return all_of_them(unknown(f"the answer (status {reply.status}) is empty"), items)
    said = mask.excerpt(reply.body)
    try:
        document = read_json(reply.body)
    except UnreadableError as error:
        return all_of_them(_of_text(reply, said, str(error), plain=rules is None), items)
    if rules is not None and rules.listed:
        found = listed_outcomes(document, items, rules, mask)
        if found is not None:
            return _listed(found, rules)
        whole = read_whole(document, reply, items, ResultRules(atomic=rules.atomic), mask)
        only_failures = rules.items is None and reply.status != 207 and isinstance(document, dict)
        if not only_failures and any(outcome.state == DELIVERED for outcome in whole.outcomes):
            where = rules.items if rules.items is not None else rules.failed
            return all_of_them(unknown(f"no list of results stands at {where or 'the top'} of the answer", said), items)
        return whole
    return read_whole(document, reply, items, rules, mask)


def _of_text(reply: Reply, said: str, why: str, *, plain: bool) -> Outcome:
    """An answer that is no JSON: a plain text that complains of nothing (``ok``) will do, where none is needed."""
    kind = reply.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if plain and kind == "text/plain" and reply.status != 207 and not said.startswith(("{", "[", "<")):
        sign = sign_of_value(said)
        if sign.kind == GOOD:
            return Outcome(DELIVERED)
        if sign.kind in {BAD, UNSURE}:
            return unknown(f"the answer reads {said!r}", said)
    return unknown(f"the answer is no JSON that can be read ({why[:200]})", said)


def _refusal(reply: Reply, items: Sequence[Item], terms: Terms, mask: Mask, told: str) -> Answered:
    """A refusal for the data: of the items that the answer names, where it names some, else of the request as one."""
    code, why = _REFUSALS.get(reply.status, ("http.item_refused", "the server refused the item"))
    rules = terms.rules
    if rules is not None and rules.listed and not reply.broken and len(items) > 1:
        try:
            found = listed_outcomes(read_json(reply.body), items, rules, mask)
        except UnreadableError:
            found = None
        if found is not None and any(outcome.state == REFUSED for outcome in found):
            return _listed([_within_refusal(outcome, rules) for outcome in found], rules)
    return all_of_them(Outcome(REFUSED, code, f"{why}: {told}", answer=mask.excerpt(reply.body)), items)


def _listed(found: Sequence[Outcome], rules: ResultRules) -> Answered:
    """Outcomes by item. Of an all-or-nothing request in which every item failed, one may be to blame for all."""
    together = rules.atomic and len(found) > 1 and all(outcome.state == REFUSED for outcome in found)
    return Answered(tuple(found), together=together)


def _within_refusal(outcome: Outcome, rules: ResultRules) -> Outcome:
    """Where the request was refused and only failures are listed, the others were not applied."""
    if outcome.state == DELIVERED and rules.items is None:
        return Outcome(AGAIN, "http.rolled_back", "another item of the same request was refused")
    return outcome


def _not_followed(reply: Reply, told: str, mask: Mask) -> FatalError:
    place = mask.text(reply.headers.get("location", "").partition("?")[0])[:200]
    more = (
        "; whether it took the request before is not known, so look there first" if reply.status in {302, 303} else ""
    )
    return FatalError(
        "http.redirect",
        f"{told}{f' and redirects to {place}' if place else ''}, which is not followed for what changes data{more}",
        next_step="write the path that the server redirects to, or correct the connection",
    )
