"""Looks an item up at the peer: whether it is there, by a path of its own or by a search for its key.

An absence is only believed where the answer is plainly one. A search that answers with other records does not filter
by what was asked, and then it proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.connectors._http.answer_document import MISSING, UnreadableError, at_path, read_json
from dragoman.connectors._http.client import Answer, Client
from dragoman.connectors._http.endpoint import Endpoint
from dragoman.connectors._http.item_index import same_value
from dragoman.connectors._http.item_path import ItemPath, UnfitError, text_of
from dragoman.core.errors import ConfigError, FatalError, RetriableError
from dragoman.core.items import DELIVERED, Item, Outcome

__all__ = ["ReadBack"]

_IDS = ("id", "Id", "ID", "_id", "uuid")


class ReadBack:
    """The option ``read_back`` of a delivery.

    ``settle``: seconds after which what was sent is found by the peer's search.
    """

    def __init__(self, option: Mapping[str, Any], endpoint: Endpoint, client: Client) -> None:
        self._path = ItemPath(endpoint, str(option.get("path") or ""), option.get("params") or {}, "read_back.path")
        key = option.get("key") or {}
        self._column = str(key.get("column") or "")
        self._field = str(key.get("field") or self._column)
        self._param = str(option.get("param") or self._field)
        self._records = str(option.get("records") or "")
        self._id = str(option.get("id") or "")
        self.settle = float(option.get("settle") or 0.0)
        self._client = client
        if not self._path.own and not self._column:
            raise ConfigError(
                "http.read_back",
                "read_back has neither a {column} in its path nor a key to search for",
                next_step="write read_back: {path: /orders, key: number} or read_back: {path: '/orders/{number}'}",
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs of an item."""
        return (*self._path.columns, *((self._column,) if self._column else ()))

    def find(self, item: Item) -> Outcome | None:
        """``delivered`` with the peer's id, or None where it has nothing.

        Raises:
            RetriableError: the peer cannot tell now.
            FatalError: it does not answer in a way that proves anything (``http.read_back``).
        """
        value = item.values.get(self._column) if self._column else None
        try:
            place = self._path.at(item.values)
        except UnfitError as error:
            raise self._no_proof(item, str(error)) from error
        if self._column and value is None:
            raise self._no_proof(item, f"its {self._column} is empty")
        if not self._path.own:
            place = place.with_params({self._param: text_of(value)})
        try:
            answer = self._client.get(place)
        except FatalError as error:
            if error.code == "http.not_found" and self._path.own:
                return None
            raise
        return self._found(answer, item, value)

    def _found(self, answer: Answer, item: Item, value: Any) -> Outcome | None:
        document = self._document(answer)
        records = at_path(document, self._records) if self._records else document
        if records is None and (self._records or self._path.own):
            return None
        if not isinstance(records, list):
            if not self._path.own or not isinstance(records, Mapping):
                raise self._no_proof(item, f"no {'record' if self._path.own else 'list'} stands in the answer")
            records = [records]
        there = [each for each in records if self._is(each, item, value)]
        if records and not there:
            raise self._no_proof(item, f"the answer holds {len(records)} other records, so it is no search for it")
        if not there:
            return None
        outcome = Outcome(DELIVERED, answer=self._client.mask.excerpt(answer.body), remote_id=self._id_of(there[0]))
        if len(there) == 1:
            return outcome
        return outcome._replace(code="http.duplicate", message=f"the peer has {len(there)} of this item")

    def _is(self, record: Any, item: Item, value: Any) -> bool:
        if not self._column:
            return isinstance(record, Mapping) and bool(record) and not _complains(record)
        named = at_path(record, self._field) if isinstance(record, Mapping) else MISSING
        if named is MISSING:
            raise self._no_proof(item, f"a record of the answer has no field {self._field}")
        return same_value(value, named)

    def _document(self, answer: Answer) -> Any:
        try:
            return read_json(answer.body)
        except UnreadableError as error:
            raise RetriableError(
                "http.read_back",
                f"{answer.location.shown} did not answer in JSON that can be read: {error}",
                next_step="look at what the API answers; correct read_back.path",
            ) from error

    def _id_of(self, record: Mapping[str, Any]) -> str:
        for path in (self._id,) if self._id else _IDS:
            found = at_path(record, path)
            if found is not MISSING and isinstance(found, str | int) and not isinstance(found, bool):
                return self._client.mask.text(str(found))[:200]
        return ""

    @staticmethod
    def _no_proof(item: Item, why: str) -> FatalError:
        return FatalError(
            "http.read_back",
            f"reading back does not tell whether {item.key[:200]} has arrived: {why}",
            next_step="correct read_back: its path, key (column and field), param and records",
        )


def _complains(record: Mapping[str, Any]) -> bool:
    return any(record.get(name) for name in ("error", "errors")) or record.get("success") is False
