"""Sends records to an HTTP API as JSON, one by one or in batches, and reads what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dragoman.connectors._http.client import Client
from dragoman.connectors._http.endpoint import endpoint_of
from dragoman.connectors._http.headers import checked_headers, open_headers
from dragoman.connectors._http.item_path import ItemPath, UnfitError
from dragoman.connectors._http.params import plain_params
from dragoman.connectors._http.read_back import ReadBack
from dragoman.connectors._http.result_rules import result_rules
from dragoman.connectors._http.sending import Sender
from dragoman.connectors._http.settling import Settling
from dragoman.connectors._http.verdicts import Terms, judge
from dragoman.connectors._http.whole_answer import all_of_them
from dragoman.connectors.http.batching import Batching
from dragoman.core.connection import Connection
from dragoman.core.errors import ConfigError, FatalError, RetriableError
from dragoman.core.items import AGAIN, REFUSED, UNKNOWN, Answered, Item, Outcome

__all__ = ["HttpDestination", "open_destination"]


def open_destination(connection: Connection, options: Mapping[str, Any]) -> HttpDestination:
    """A destination over a connection of type http; ``options`` as the manifest has them.

    Raises ``ConfigError`` for a path, header or combination that cannot be used; nothing is sent yet.
    """
    return HttpDestination(connection, options)


class HttpDestination:
    """One place of an API that takes items. See ``core.items.ItemDestination``."""

    def __init__(self, connection: Connection, options: Mapping[str, Any]) -> None:
        endpoint = endpoint_of(connection)
        timeout, max_bytes = float(options.get("timeout") or 60.0), int(options.get("max_bytes") or 16 << 20)
        params = plain_params(options.get("params") or {})
        self._method = str(options.get("method") or "POST")
        self._path = ItemPath(endpoint, str(options.get("path") or ""), params)
        self._batching = Batching(options.get("batch"))
        self._headers = open_headers(options.get("headers") or {}, "the delivery")
        erase = options.get("delete") or {}
        self._erase_method = str(erase.get("method") or "DELETE")
        self._erase_path = (
            ItemPath(endpoint, str(erase["path"]), {}, "delete.path") if erase.get("path") else self._path
        )
        keys = options.get("idempotency") or {}
        self._key_header = str(keys.get("header") or "")
        self._keeps = float(keys.get("keeps") or 0.0)
        self._check_key_header({*self._headers, *endpoint.credentials})
        self._external = str(options.get("external_id") or "")
        self._replaces = self._method == "PUT" and self._path.own
        self._terms = Terms(
            rules=result_rules(options.get("result")),
            own_path=self._path.own,
            keyed=bool(self._key_header),
            external=bool(self._external),
        )
        self._client = Client(endpoint, timeout=timeout, max_bytes=max_bytes)
        self._sender = Sender(endpoint, timeout=timeout, max_bytes=max_bytes)
        read_back = options.get("read_back")
        self._read_back = ReadBack(read_back, endpoint, self._client) if read_back else None
        self._settling = Settling(self._read_back.settle if self._read_back else 0.0)
        if self._path.own and self._batching.listed:
            raise ConfigError(
                "http.batch",
                f"the path has {{{self._path.columns[0]}}} in it, and batch puts several items into one request",
                next_step="leave batch out, or write a path that is the same for all items",
            )

    @property
    def resolution(self) -> str:
        """By idempotency key, else by the external id, else by reading back, else not at all."""
        return self.resolution_after(0.0)

    def resolution_after(self, seconds: float, *, whole: bool = True) -> str:
        """A key helps as long as the peer keeps it, and only where the whole request can be sent again.

        A PUT at the item's own path may always be sent again (RFC 9110, 9.2.2).
        """
        if self._key_header and whole and (not self._keeps or seconds < self._keeps):
            return "idempotency"
        if self._external or self._replaces:
            return "upsert"
        return "read_back" if self._read_back else "none"

    def requests(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        """By number and size; an item whose own values cannot be sent comes alone."""
        return self._batching.requests(items, lambda item: self._unfit(item) is not None)

    def send(self, items: Sequence[Item]) -> Answered:
        """One request."""
        self._check_columns(items[0])
        for item in items:
            unfit = self._unfit(item)
            if unfit is not None:
                return all_of_them(unfit, items)
        headers = dict(self._headers)
        if self._key_header:
            headers[self._key_header] = self._batching.token(items)
        place = self._path.at(items[0].values)
        reply = self._sender.send(self._method, place, headers, self._batching.body(items))
        answered = judge(reply, items, self._terms, self._sender.mask)
        pairs = zip(items, answered.outcomes, strict=True)
        self._settling.sent([item for item, outcome in pairs if outcome.state == UNKNOWN])
        return answered

    def look_up(self, item: Item) -> Outcome | None:
        """Found, or absent after the time in which the peer's search may lag."""
        if self._read_back is None:
            raise FatalError("http.read_back", "nothing says how to look an item up", next_step="write read_back")
        found = self._read_back.find(item)
        if found is None and self._settling.wait(item):
            found = self._read_back.find(item)
        return found

    def erase(self, items: Sequence[Item]) -> Answered:
        """Remove items, each by a request of its own; what is gone already is done.

        After the first one that was answered, a server that is out of reach leaves the others for the next try.
        """
        if not self._erase_path.own:
            raise FatalError(
                "http.no_delete",
                "nothing says how an item is removed: path is not that of one item",
                next_step="write delete: /orders/{number}, with a column in braces",
            )
        _must_have(items[0], self._erase_path.columns, "delete")
        done: list[Outcome] = []
        wait = None
        terms = Terms(own_path=True, keyed=self._terms.keyed, erasing=True)
        for item in items:
            try:
                answered = self._erase(item, terms)
            except (RetriableError, FatalError) as error:
                if not done:
                    raise
                later = Outcome(AGAIN, error.code, error.message)
                done += [later] * (len(items) - len(done))
                wait = error.retry_after if isinstance(error, RetriableError) else wait
                break
            done += answered.outcomes
            wait = answered.wait if answered.wait is not None else wait
        return Answered(tuple(done), wait=wait)

    def close(self) -> None:
        """Give back the connections."""
        self._sender.close()
        self._client.close()

    def _erase(self, item: Item, terms: Terms) -> Answered:
        try:
            place = self._erase_path.at(item.values)
        except UnfitError as error:
            return Answered((_unfit(error),))
        headers = {**self._headers, **({self._key_header: item.token} if self._key_header else {})}
        reply = self._sender.send(self._erase_method, place, headers, b"")
        return judge(reply, [item], terms, self._sender.mask)

    def _unfit(self, item: Item) -> Outcome | None:
        """Why an item cannot be sent at all, for its own values."""
        try:
            self._path.at(item.values)
        except UnfitError as error:
            return _unfit(error)
        if self._external and item.values.get(self._external) in (None, ""):
            return _unfit(UnfitError(self._external, f"{self._external}, the external id, is empty"))
        return None

    def _check_key_header(self, taken: set[str]) -> None:
        if not self._key_header:
            return
        checked_headers({self._key_header: ""}, "idempotency")
        if self._key_header.lower() in {name.lower() for name in taken}:
            raise ConfigError(
                "http.header",
                f"the header {self._key_header} of idempotency is set by the connection or by headers too",
                next_step="write the header that the API documents for keys, such as Idempotency-Key",
            )

    def _check_columns(self, item: Item) -> None:
        """Columns that the options name must be there; asked of the first item, for all have the same."""
        read_back = self._read_back.columns if self._read_back else ()
        named = (*self._path.columns, *((self._external,) if self._external else ()), *read_back)
        _must_have(item, named, "path, external_id or read_back")


def _unfit(error: UnfitError) -> Outcome:
    return Outcome(REFUSED, "http.value", f"the item was not sent: {error}", field=error.column)


def _must_have(item: Item, columns: Sequence[str], options: str) -> None:
    for name in columns:
        if name not in item.values:
            raise FatalError(
                "http.column",
                f"the delivery's options name the column {name!r}, and what is delivered has " + ", ".join(item.values),
                next_step=f"correct {options}, or add the field to the translation",
            )
