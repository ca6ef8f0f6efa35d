"""Looking receipts up by the key of a record.

A key is looked for in every file of receipts of a delivery by its hash; each file is sorted, so that is a binary
search. Two keys of ten million share a hash with a probability of one in a million million for each that is looked up;
where the stage is still kept ``prove`` compares the keys themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dragoman.core.errors import FatalError
from dragoman.ledger.rows import ReceiptFile, ReceiptLink
from dragoman.stage.sidecar import ERASED
from dragoman.steps.proof.record_identity import hashed_keys
from dragoman.steps.workplace import Workplace

__all__ = ["Receipt", "find_receipts", "find_receipts_of"]


@dataclass(frozen=True)
class Receipt:
    """One output that arrived. ``record``: the id of its record, ``<run_id>:<rid>``, kept by a replay.

    ``position``: where the record stood in the source, or empty where that is no longer known.
    """

    link: ReceiptLink
    key: str
    rid: int
    outcome: str
    """``delivered`` or ``erased``."""
    position: str = ""
    record: str = ""
    remote_id: str = ""

    @property
    def run_id(self) -> str:
        """The run that delivered it."""
        return self.link.run_id

    @property
    def node(self) -> str:
        """The delivery."""
        return self.link.node

    @property
    def batch(self) -> int:
        """The batch's number within the run."""
        return self.link.batch

    @property
    def when(self) -> datetime:
        """When the ledger learned that the destination had committed."""
        return self.link.noted_at


def find_receipts(place: Workplace, integration: str, node: str, key_text: str) -> list[Receipt]:
    """Every receipt of a key (``column=value,…``, see ``core/record_key.py``) in one delivery, newest first."""
    return find_receipts_of(place, integration, node, [key_text])[key_text]


def find_receipts_of(place: Workplace, integration: str, node: str, keys: Sequence[str]) -> dict[str, list[Receipt]]:
    """The receipts of several keys in one delivery, newest first each."""
    found: dict[str, list[Receipt]] = {key: [] for key in keys}
    if not keys:
        return found
    hashes = dict(zip(hashed_keys(place.ledger.receipt_secret(), integration, node, list(found)), found, strict=True))
    try:
        _look(place, integration, node, hashes, found)
    except FatalError as error:
        if error.code != "stage.missing":
            raise
        for one in found.values():  # files may have been merged just now
            one.clear()
        _look(place, integration, node, hashes, found)
    for one in found.values():
        one.sort(key=lambda receipt: (receipt.link.number, receipt.rid), reverse=True)
    return found


def _look(
    place: Workplace, integration: str, node: str, hashes: dict[int, str], found: dict[str, list[Receipt]]
) -> None:
    folder = place.stage.receipts(integration, node)
    hits: list[tuple[int, dict[str, object]]] = []
    for file in place.ledger.receipt_files(integration, node):
        hits += [(_number(row, file), row) for row in folder.find(file.path, list(hashes)).to_pylist()]
    links = place.ledger.receipt_numbers(integration, sorted({number for number, _row in hits}))
    for number, row in hits:
        if number in links:
            key = hashes[int(str(row["key"]))]
            found[key].append(_receipt(links[number], key, row))


def _number(row: dict[str, object], file: ReceiptFile) -> int:
    number = row.get("number")
    return number if isinstance(number, int) else file.first


def _receipt(link: ReceiptLink, key: str, row: dict[str, object]) -> Receipt:
    at, own = row.get("row"), row.get("rid")
    rid = link.rid_base + at if isinstance(at, int) else int(str(own))
    return Receipt(
        link=link,
        key=key,
        rid=rid,
        outcome="erased" if row.get("outcome") == ERASED else "delivered",
        position=_position(link, rid, row),
        record=str(row.get("record") or f"{link.run_id}:{rid}"),
        remote_id=str(row.get("remote") or ""),
    )


def _position(link: ReceiptLink, rid: int, row: dict[str, object]) -> str:
    if row.get("place") is not None:
        return str(row["place"])
    counted = row.get("position")
    if counted is None:
        at = rid - link.rid_base
        counted = link.first + at if link.first >= 0 <= at else None
    if counted is None:
        return ""
    return f"{link.origin}:{counted}" if link.origin else str(counted)
