"""From a batch of outputs to items: each with its key, its idempotency key and its content as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from dragoman.core.batch import Refused, visible
from dragoman.core.items import Item
from dragoman.core.ports import DeliverRequest
from dragoman.formats.json_objects import json_objects, unfit_rows
from dragoman.formats.words import portions
from dragoman.steps.items.keys import numbered, record_ids, record_versions
from dragoman.steps.proof.record_key import key_texts

__all__ = ["ItemMaker", "unfit_outputs"]

_TOKEN_DIGITS = 32
_BINARY = "base64"


class ItemMaker:
    """The items of one batch; the same batch gives the same items in every try.

    ``refused``: by row, the outputs of which no item can be made (NULL in the key, no JSON for a value).
    """

    def __init__(self, request: DeliverRequest, batch_id: str, outputs: pa.Table, verb: str = "send") -> None:
        self._request = request
        self._verb = verb
        self._table = visible(outputs)
        self._records = record_ids(outputs, batch_id)
        self._versions = record_versions(outputs)
        self._names = [] if request.key else numbered(self._records)
        self.refused = unfit_outputs(self._table, request.key)
        self._times = self._repeated()

    @property
    def rows(self) -> list[int]:
        """The rows of which items are made, in their order."""
        return [row for row in range(self.count) if row not in self.refused]

    @property
    def count(self) -> int:
        """How many outputs the batch has."""
        return int(self._table.num_rows)

    def items(self, rows: Sequence[int]) -> list[Item]:
        """The items of some rows, in that order."""
        part = self._table.take(pa.array(rows, pa.int64()))
        if not part.num_rows:
            return []
        bodies = json_objects(part, part.schema, _BINARY).to_pylist()
        keys = (
            key_texts(part, self._request.key).to_pylist() if self._request.key else [self._names[row] for row in rows]
        )
        return [
            Item(row=row, key=key, token=self._token(row, key, body), values=values, body=body.encode())
            for row, key, body, values in zip(rows, keys, bodies, part.to_pylist(), strict=True)
        ]

    def _token(self, row: int, key: str, body: str) -> str:
        """The record's state is in it: a value which comes back after another one is not taken for the first."""
        state = self._versions[row] or self._records[row]
        parts = [self._request.integration, self._request.delivery, self._verb, state]
        parts += [key if self._request.key else "", body]
        if row in self._times:
            parts.append(str(self._times[row]))
        return sha256("\0".join(parts).encode()).hexdigest()[:_TOKEN_DIGITS]

    def _repeated(self) -> dict[int, int]:
        """Of outputs of one record with the same content: the second, third, … by row."""
        times = Counter(self._records)
        if len(times) == len(self._records):
            return {}
        seen: Counter[tuple[str, bytes]] = Counter()
        repeated: dict[int, int] = {}
        for at, part in portions(self._table):
            for row, body in enumerate(json_objects(part, part.schema, _BINARY).to_pylist(), at):
                if times[self._records[row]] > 1:
                    content = (self._records[row], sha256(body.encode()).digest())
                    seen[content] += 1
                    if seen[content] > 1:
                        repeated[row] = seen[content]
        return repeated


def unfit_outputs(table: pa.Table, key: Sequence[str]) -> dict[int, Refused]:
    """The outputs of which no item can be made, by row; ``table`` without its hidden columns."""
    refused: dict[int, Refused] = {}
    for name in key:
        column = table.column(name)
        if column.null_count:
            for row in pc.indices_nonzero(pc.is_null(column)).to_pylist():
                said = f"{name!r} is part of the key and is NULL"
                refused.setdefault(row, Refused(row, "key.null", said, name))
    for at, part in portions(table):
        for one in unfit_rows(part, table.schema).values():
            refused.setdefault(at + one.row, Refused(at + one.row, one.code, one.message, one.field))
    return refused
